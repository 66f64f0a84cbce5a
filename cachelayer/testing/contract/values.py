"""Storing, reading and removing one value."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.errors import CacheLayerError
from cachelayer.testing.contract.base import ContractBase

_MIB: Final = 1024 * 1024


def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - a value, the same each time


_VALUES: Final = {
    "empty": b"",
    "one-byte": b"\x00",
    "all-bytes": bytes(range(256)),
    "digits": b"12345",
    "leading-zeros": b"007",
    "line-ends": b"\r\n\r\nEND\r\n",
    "pickle": b"\x80\x04K\x01.",
    "1-MiB": _noise(_MIB),
    "above-1-MiB": b"\xff" * (_MIB + 1),
    "8-MiB": _noise(8 * _MIB),
}
_NO_BYTES: Final = [
    pytest.param("text", id="str"),
    pytest.param(bytearray(b"x"), id="bytearray"),
    pytest.param(memoryview(b"x"), id="memoryview"),
    pytest.param(5, id="int"),
    pytest.param(None, id="None"),
]
_NO_KEYS: Final = [
    pytest.param(b"key", id="bytes"),
    pytest.param(5, id="int"),
    pytest.param(None, id="None"),
    pytest.param(("key",), id="tuple"),
]


class Values(ContractBase):
    """Clauses 1 to 3, 5 and 16."""

    def test_a_missing_key_reads_as_none(self, ops: CacheBackend) -> None:
        """What was never stored is None, and is not there (1)."""
        assert ops.get("key") is None
        assert ops.exists("key") is False

    def test_empty_bytes_are_a_value(self, ops: CacheBackend) -> None:
        """A stored b"" is not missing (1)."""
        assert ops.set("key", b"") is True
        assert ops.get("key") == b""
        assert ops.exists("key") is True
        assert ops.get_many(["key"]) == {"key": b""}

    @pytest.mark.parametrize("value", _VALUES.values(), ids=_VALUES)
    def test_bytes_come_back_as_they_were(self, ops: CacheBackend, value: bytes) -> None:
        """Any bytes come back as they were, digits as bytes (2)."""
        self.needs(
            self.max_value_bytes is None or len(value) <= self.max_value_bytes, "above the store's limit"
        )
        assert ops.set("key", value) is True
        found = ops.get("key")
        assert type(found) is bytes
        assert found == value

    def test_a_value_above_the_limit_is_refused(self, ops: CacheBackend) -> None:
        """A value larger than the store takes is refused, and the old one is gone (2, 16, 18)."""
        limit = self.max_value_bytes
        self.needs(limit is not None, "the store has no limit")
        assert limit is not None
        assert ops.set("key", b"\xaa" * limit) is True
        try:
            assert ops.set("key", b"\xbb" * (limit + 1)) is False
        except CacheLayerError:
            pass  # An error that says why is as good.
        assert ops.get("key") is None

    @pytest.mark.parametrize("value", _NO_BYTES)
    def test_a_value_that_is_no_bytes_is_refused(self, ops: CacheBackend, value: Any) -> None:
        """A value of another type raises TypeError before anything is written (2)."""
        ops.set("key", b"old")
        with pytest.raises(TypeError):
            ops.set("key", value)
        assert ops.get("key") == b"old"
        with pytest.raises(TypeError):
            ops.add("absent", value)
        assert ops.get("absent") is None

    @pytest.mark.parametrize("key", _NO_KEYS)
    def test_a_key_that_is_no_str_is_refused(self, ops: CacheBackend, key: Any) -> None:
        """A key of another type raises TypeError, whatever the method (2)."""
        for call in (ops.get, ops.exists, ops.delete):
            with pytest.raises(TypeError):
                call(key)
        with pytest.raises(TypeError):
            ops.set(key, b"value")

    def test_a_bulk_write_with_one_bad_item_writes_nothing(self, ops: CacheBackend) -> None:
        """set_many raises TypeError before it has written the items that are right (2)."""
        bad: Any = {"first": b"1", "second": "text", "third": b"3"}
        with pytest.raises(TypeError):
            ops.set_many(bad)
        assert ops.get_many(bad) == {}

    def test_overwriting_replaces_the_value(self, ops: CacheBackend) -> None:
        """The last write counts, a shorter one too (3)."""
        ops.set("key", b"a longer old value")
        assert ops.set("key", b"new") is True
        assert ops.get("key") == b"new"

    def test_overwriting_replaces_the_ttl(self, ops: CacheBackend) -> None:
        """An overwritten entry lives for the new ttl, or for ever (3)."""
        ops.set("lasting", b"old", ttl=self.tick)
        ops.set("lasting", b"new")
        ops.set("passing", b"old")
        ops.set("passing", b"new", ttl=self.tick)
        self.advance(1.5 * self.tick)
        assert ops.get_many(["lasting", "passing"]) == {"lasting": b"new"}

    def test_deleting_twice_is_fine(self, ops: CacheBackend) -> None:
        """A delete says whether there was something: True, then False (5)."""
        ops.set("key", b"value")
        assert ops.delete("key") is True
        assert ops.get("key") is None
        assert ops.delete("key") is False
        assert ops.delete("never stored") is False

    def test_corrupted_bytes_are_a_miss(self, ops: CacheBackend, backend: CacheBackend) -> None:
        """What another program wrote, or the store damaged, reads as None and counts as a miss (21)."""
        ops.set("key", b"value")
        self.needs(self.corrupt(backend, "key"), "the store keeps values as they are")
        before = ops.get_stats().misses
        assert ops.get("key") is None
        assert before is None or ops.get_stats().misses == before + 1
        assert ops.set("key", b"again") is True
        assert ops.get("key") == b"again"
