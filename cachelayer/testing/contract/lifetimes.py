"""How long entries live."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

from typing import Final

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.testing.contract.base import ContractBase

_DAY: Final = 86_400.0


class Lifetimes(ContractBase):
    """Clauses 10 to 12."""

    def test_an_entry_lives_for_its_ttl(self, ops: CacheBackend) -> None:
        """An entry is there until its ttl has passed and is gone for every method afterwards (10, 12)."""
        ops.set("key", b"value", ttl=2 * self.tick)
        self.advance(self.tick)
        assert ops.get("key") == b"value"
        self.advance(1.5 * self.tick)
        assert ops.get("key") is None
        assert ops.exists("key") is False
        assert ops.get_many(["key"]) == {}
        assert ops.delete("key") is False

    def test_a_ttl_may_be_a_fraction_of_a_second(self, ops: CacheBackend) -> None:
        """A ttl of 0.05 s is kept: neither refused, nor for ever (10)."""
        assert ops.set("key", b"value", ttl=0.05) is True
        if not self.own_clock:
            assert ops.get("key") == b"value"
        self.advance(max(0.06, self.tick) if self.own_clock else 0.06)
        assert ops.get("key") is None

    @pytest.mark.parametrize("ttl", [0, 0.0, -1, -0.5])
    def test_a_ttl_of_zero_or_less_removes(self, ops: CacheBackend, ttl: float) -> None:
        """A ttl of 0 or below stores nothing, says so, and removes the old value (10, 16)."""
        ops.set("key", b"old")
        assert ops.set("key", b"new", ttl=ttl) is False
        assert ops.get("key") is None
        assert ops.exists("key") is False
        assert ops.add("absent", b"new", ttl=ttl) is False
        assert ops.get("absent") is None

    def test_no_ttl_is_for_ever(self, ops: CacheBackend) -> None:
        """With ttl None an entry does not expire (10)."""
        ops.set("key", b"value", ttl=None)
        self.advance(self.tick if self.own_clock else 3650 * _DAY)
        assert ops.get("key") == b"value"

    def test_a_ttl_may_be_longer_than_30_days(self, ops: CacheBackend) -> None:
        """A ttl of 31 days is a ttl: Memcached would take it for a date in 1970 (10)."""
        assert ops.set("key", b"value", ttl=31 * _DAY) is True
        assert ops.get("key") == b"value"
        if not self.own_clock:
            self.advance(30.5 * _DAY)
            assert ops.get("key") == b"value"
            self.advance(_DAY)
            assert ops.get("key") is None

    def test_the_space_of_expired_entries_is_reclaimed_without_reads(self, ops: CacheBackend) -> None:
        """What has expired stops taking space although nobody reads those keys again (12)."""
        for number in range(100):
            ops.set(f"short-lived {number}", b"value", ttl=self.tick)
        self.advance(2 * self.tick)
        ops.set("other", b"value")
        stats = ops.get_stats()
        self.needs(stats.current_entries is not None, "the store cannot tell how many entries it has")
        assert stats.current_entries == 1

    def test_touch_gives_a_new_ttl(self, ops: CacheBackend) -> None:
        """A touched entry lives for the new ttl from now, be it longer, shorter or for ever (11)."""
        self.needs(self.supports_touch, "no touch()")
        for key in ("longer", "shorter", "for ever"):
            ops.set(key, b"value", ttl=2 * self.tick)
        assert ops.touch("longer", 4 * self.tick) is True
        assert ops.touch("shorter", self.tick) is True
        assert ops.touch("for ever", None) is True
        self.advance(1.5 * self.tick)
        assert ops.get_many(["longer", "shorter", "for ever"]) == {"longer": b"value", "for ever": b"value"}
        self.advance(3.5 * self.tick)
        assert ops.get_many(["longer", "shorter", "for ever"]) == {"for ever": b"value"}

    def test_touch_is_false_on_what_is_not_there(self, ops: CacheBackend) -> None:
        """Touching a missing or expired key does nothing and returns False (11)."""
        self.needs(self.supports_touch, "no touch()")
        ops.set("expired", b"value", ttl=self.tick)
        self.advance(1.5 * self.tick)
        for key in ("missing", "expired"):
            assert ops.touch(key, 10 * self.tick) is False
            assert ops.get(key) is None

    def test_touch_with_a_ttl_of_zero_removes(self, ops: CacheBackend) -> None:
        """Touching with a ttl of 0 or below removes the entry, as set does (11)."""
        self.needs(self.supports_touch, "no touch()")
        ops.set("key", b"value")
        assert ops.touch("key", 0) is False
        assert ops.get("key") is None

    def test_touch_that_is_not_supported_raises(self, ops: CacheBackend) -> None:
        """A store that cannot change a ttl says so rather than pretend (11)."""
        self.needs(not self.supports_touch, "it has touch()")
        with pytest.raises(NotImplementedError):
            ops.touch("key", 1)
