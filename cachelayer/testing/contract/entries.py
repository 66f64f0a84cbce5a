"""Times, sizes and metadata beside a value."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

from typing import Any, Final

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.testing.contract.base import ContractBase

_METADATA: Final[dict[str, Any]] = {
    "type": "text/html",
    "größe": 12,
    "nested": {"list": [1, 2.5, None, True, "x"], "empty": {}},
    "": "",
}
_NO_METADATA: Final = [
    pytest.param({"a": object()}, id="object"),
    pytest.param({"a": b"bytes"}, id="bytes"),
    pytest.param({"a": {1, 2}}, id="set"),
    pytest.param({"a": float("nan")}, id="nan"),
    pytest.param({1: "a"}, id="int-key"),
    pytest.param([("a", 1)], id="list"),
    pytest.param("text", id="str"),
]


class Entries(ContractBase):
    """Clauses 3, 6, 13 and 31."""

    def test_an_entry_tells_value_and_times(self, ops: CacheBackend) -> None:
        """get_entry gives the key, the value, when it was written, when it expires and its size (13)."""
        self.needs(self.supports_entries, "no get_entry()")
        before = self.now()
        ops.set("key", b"value", ttl=4 * self.tick)
        entry = ops.get_entry("key")
        assert entry is not None
        assert (entry.key, entry.value) == ("key", b"value")
        assert before - self.resolution <= entry.created_at <= self.now() + self.resolution
        assert entry.expires_at == pytest.approx(entry.created_at + 4 * self.tick, abs=self.resolution)
        assert entry.size_bytes > 0
        assert entry.metadata is None
        assert entry.is_expired is False

    def test_an_entry_tells_how_long_it_lives(self, ops: CacheBackend) -> None:
        """ttl_remaining shrinks as time passes, within the store's resolution (13)."""
        self.needs(self.supports_entries, "no get_entry()")
        started = self.now()
        ops.set("key", b"value", ttl=4 * self.tick)
        self.advance(self.tick)
        entry = ops.get_entry("key")
        remaining = None if entry is None else entry.ttl_remaining
        assert remaining is not None
        passed = self.now() - started
        assert 3 * self.tick - (passed - self.tick) - self.resolution <= remaining
        assert remaining <= 3 * self.tick + self.resolution

    def test_an_entry_without_ttl_has_no_expiry(self, ops: CacheBackend) -> None:
        """Where there is no ttl, expires_at and ttl_remaining are None (13)."""
        self.needs(self.supports_entries, "no get_entry()")
        ops.set("key", b"value")
        entry = ops.get_entry("key")
        assert entry is not None
        assert entry.expires_at is None
        assert entry.ttl_remaining is None
        assert entry.is_expired is False

    def test_a_missing_or_expired_key_has_no_entry(self, ops: CacheBackend) -> None:
        """get_entry is None on what is not there (12, 13)."""
        self.needs(self.supports_entries, "no get_entry()")
        ops.set("expired", b"value", ttl=self.tick)
        self.advance(1.5 * self.tick)
        assert ops.get_entry("expired") is None
        assert ops.get_entry("missing") is None

    def test_entries_come_many_at_once(self, ops: CacheBackend) -> None:
        """get_entries gives just what get_entry would of those keys that are there, and copes with none (7, 13)."""
        self.needs(self.supports_entries, "no get_entry()")
        ops.set("a", b"1", ttl=4 * self.tick, metadata=_METADATA)
        ops.set("b", b"")
        ops.set("expired", b"3", ttl=self.tick)
        self.advance(1.5 * self.tick)
        found = ops.get_entries(["a", "missing", "b", "expired", "a"])
        assert {key: (entry.key, entry.value) for key, entry in found.items()} == {
            "a": ("a", b"1"),
            "b": ("b", b""),
        }
        assert found["a"].metadata == _METADATA
        assert found["b"].metadata is None
        single = ops.get_entry("a")
        assert single is not None
        assert found["a"].created_at == pytest.approx(single.created_at, abs=self.resolution)
        assert found["a"].expires_at == pytest.approx(single.expires_at, abs=self.resolution)
        assert found["a"].size_bytes == single.size_bytes
        assert found["b"].expires_at is None
        assert set(ops.get_entries(iter(["b"]))) == {"b"}
        assert ops.get_entries([]) == {}

    def test_a_thousand_entries_take_one_round_trip(self, ops: CacheBackend, backend: CacheBackend) -> None:
        """get_entries asks the store once, whatever the number of keys, and for none not at all (7)."""
        self.needs(self.supports_entries, "no get_entry()")
        items = {f"key {number}": b"%d" % number for number in range(1000)}
        assert ops.set_many(items) == 1000
        before = self.round_trips(backend)
        assert {key: entry.value for key, entry in ops.get_entries(items).items()} == items
        assert before is None or self.round_trips(backend) == before + 1
        assert ops.get_entries([]) == {}
        assert before is None or self.round_trips(backend) == before + 1

    def test_touch_keeps_value_and_metadata(self, ops: CacheBackend) -> None:
        """A touch changes nothing but the expiry (11)."""
        self.needs(self.supports_entries and self.supports_touch, "no get_entry() or no touch()")
        ops.set("key", b"value", ttl=self.tick, metadata=_METADATA)
        ops.touch("key", 4 * self.tick)
        entry = ops.get_entry("key")
        assert entry is not None
        assert (entry.value, entry.metadata) == (b"value", _METADATA)
        assert entry.expires_at == pytest.approx(self.now() + 4 * self.tick, abs=self.resolution + 0.1)

    def test_looking_leaves_the_counters_alone(self, ops: CacheBackend) -> None:
        """Exists, get_entry and get_entries count neither as hit nor as miss (6)."""
        ops.set("key", b"value")
        before = ops.get_stats()
        for key in ("key", "missing"):
            ops.exists(key)
            if self.supports_entries:
                ops.get_entry(key)
                ops.get_entries([key])
        after = ops.get_stats()
        assert (after.hits, after.misses) == (before.hits, before.misses)

    def test_metadata_survives(self, ops: CacheBackend) -> None:
        """Metadata comes back equal (31)."""
        self.needs(self.supports_entries, "no get_entry()")
        ops.set("key", b"value", metadata=_METADATA)
        ops.add("added", b"value", metadata={"by": "add"})
        entry, added = ops.get_entry("key"), ops.get_entry("added")
        assert entry is not None
        assert entry.metadata == _METADATA
        assert added is not None
        assert added.metadata == {"by": "add"}
        assert ops.get("key") == b"value"

    def test_overwriting_replaces_metadata(self, ops: CacheBackend) -> None:
        """An overwritten entry has the new metadata, or none (3)."""
        self.needs(self.supports_entries, "no get_entry()")
        ops.set("replaced", b"old", metadata={"version": 1, "only": "old"})
        ops.set("replaced", b"new", metadata={"version": 2})
        ops.set("dropped", b"old", metadata={"version": 1})
        ops.set("dropped", b"new")
        replaced, dropped = ops.get_entry("replaced"), ops.get_entry("dropped")
        assert replaced is not None
        assert replaced.metadata == {"version": 2}
        assert dropped is not None
        assert dropped.metadata is None

    def test_nobody_can_change_stored_metadata(self, ops: CacheBackend) -> None:
        """Neither the mapping that was passed nor the one that is returned leads into the store (31)."""
        self.needs(self.supports_entries, "no get_entry()")
        passed: dict[str, Any] = {"list": [1]}
        ops.set("key", b"value", metadata=passed)
        passed["list"].append(2)
        first = ops.get_entry("key")
        assert first is not None
        assert first.metadata is not None
        assert first.metadata == {"list": [1]}
        first.metadata["list"].append(3)
        second = ops.get_entry("key")
        assert second is not None
        assert second.metadata == {"list": [1]}

    @pytest.mark.parametrize("metadata", _NO_METADATA)
    def test_metadata_that_cannot_be_kept_is_refused(self, ops: CacheBackend, metadata: Any) -> None:
        """Metadata that would not come back as it is raises TypeError before anything is written (31)."""
        self.needs(self.supports_entries, "metadata is not kept")
        ops.set("key", b"old")
        with pytest.raises(TypeError):
            ops.set("key", b"new", metadata=metadata)
        assert ops.get("key") == b"old"

    def test_entries_that_are_not_supported_raise(self, ops: CacheBackend) -> None:
        """A store that keeps no times says so rather than make them up (13)."""
        self.needs(not self.supports_entries, "it has get_entry()")
        with pytest.raises(NotImplementedError):
            ops.get_entry("key")
        with pytest.raises(NotImplementedError):
            ops.get_entries(["key"])
