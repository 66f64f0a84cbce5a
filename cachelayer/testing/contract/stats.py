"""What a store counts."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

from cachelayer.backends.base import CacheBackend, CacheStats
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.crowds import in_threads


class Stats(ContractBase):
    """Clause 27. A counter that is None is one that the store cannot tell, and is not looked at."""

    def test_each_call_is_counted_once(self, ops: CacheBackend) -> None:
        """Hits, misses, writes and deletions that removed something are counted once each (27)."""
        ops.get("key")
        ops.set("key", b"value")
        ops.get("key")
        ops.get("key")
        ops.set("key", b"other")
        ops.delete("key")
        ops.delete("key")
        _expect(ops.get_stats(), hits=2, misses=1, sets=2, deletes=1, entries=0)

    def test_bulk_calls_count_their_keys(self, ops: CacheBackend) -> None:
        """A bulk call counts as that many single ones (27)."""
        ops.set_many({"a": b"1", "b": b"2"})
        ops.get_many(["a", "b", "missing"])
        ops.delete_many(["a", "missing"])
        _expect(ops.get_stats(), hits=2, misses=1, sets=2, deletes=1, entries=1)

    def test_an_expired_entry_counts_as_a_miss(self, ops: CacheBackend) -> None:
        """Reading what has expired is a miss, and its going is no deletion by anybody (12, 27)."""
        ops.set("key", b"value", ttl=self.tick)
        self.advance(1.5 * self.tick)
        ops.get("key")
        _expect(ops.get_stats(), hits=0, misses=1, sets=1, deletes=0, entries=0)

    def test_counters_are_exact_among_threads(self, ops: CacheBackend) -> None:
        """Eight threads at once lose no count (27)."""

        def work(number: int) -> None:
            for count in range(25):
                key = f"key {number} {count}"
                ops.get(key)
                ops.set(key, b"value")
                ops.get(key)
                ops.get("shared")
                if count % 5 == 0:
                    ops.delete(key)

        ops.set("shared", b"value")
        in_threads(8, work)
        _expect(
            ops.get_stats(), hits=8 * 50, misses=8 * 25, sets=8 * 25 + 1, deletes=8 * 5, entries=8 * 20 + 1
        )

    def test_a_snapshot_stands_still(self, ops: CacheBackend) -> None:
        """What get_stats returned does not change as the store goes on (27)."""
        ops.set("key", b"value")
        snapshot = ops.get_stats()
        before = snapshot.to_dict()
        ops.get("key")
        ops.delete("key")
        ops.get_stats()
        assert snapshot.to_dict() == before

    def test_reset_zeroes_the_counters_and_keeps_the_entries(self, ops: CacheBackend) -> None:
        """A snapshot's reset() zeroes its own counters and the store's, never the sizes (27)."""
        ops.set("key", b"value")
        ops.get("key")
        ops.get("missing")
        snapshot = ops.get_stats()
        snapshot.reset()
        _expect(snapshot, hits=0, misses=0, sets=0, deletes=0, entries=1)
        _expect(ops.get_stats(), hits=0, misses=0, sets=0, deletes=0, entries=1)
        assert ops.get("key") == b"value"
        _expect(ops.get_stats(), hits=1, misses=0, sets=0, deletes=0, entries=1)

    def test_rates_follow_from_the_counters(self, ops: CacheBackend) -> None:
        """hit_rate is hits / (hits + misses); to_dict() has every counter and both rates (27)."""
        ops.set("key", b"value")
        for key in ("key", "key", "key", "missing"):
            ops.get(key)
        stats = ops.get_stats()
        assert stats.hit_rate == (0.75 if stats.hits is not None else 0.0)
        assert 0.0 <= stats.utilization <= 1.0
        counts = {"hits", "misses", "sets", "deletes", "evictions"}
        sizes = {"current_entries", "current_size_bytes", "max_size_bytes"}
        assert set(stats.to_dict()) == counts | sizes | {"hit_rate", "utilization"}


def _expect(stats: CacheStats, *, hits: int, misses: int, sets: int, deletes: int, entries: int) -> None:
    expected = {"hits": hits, "misses": misses, "sets": sets, "deletes": deletes, "current_entries": entries}
    told = {name: count for name in expected if (count := getattr(stats, name)) is not None}
    assert told == {name: expected[name] for name in told}
