"""Many keys at once, and all of them."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

import threading

from cachelayer.backends.base import CacheBackend
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.crowds import in_threads


class Bulk(ContractBase):
    """Clauses 7, 8 and 17."""

    def test_get_many_returns_what_it_found(self, ops: CacheBackend) -> None:
        """Keys that are missing or have expired are not in the result (7)."""
        ops.set("a", b"1")
        ops.set("b", b"2")
        ops.set("expired", b"3", ttl=self.tick)
        self.advance(1.5 * self.tick)
        assert ops.get_many(["a", "missing", "b", "expired", "a"]) == {"a": b"1", "b": b"2"}
        assert ops.get_many(iter(["b"])) == {"b": b"2"}

    def test_bulk_calls_with_nothing_to_do_do_nothing(self, ops: CacheBackend, backend: CacheBackend) -> None:
        """Empty input gives an empty result, with no I/O (7, 8)."""
        before = self.round_trips(backend)
        assert ops.get_many([]) == {}
        assert ops.set_many({}) == 0
        assert ops.delete_many([]) == 0
        assert self.round_trips(backend) == before

    def test_a_thousand_keys_take_one_round_trip(self, ops: CacheBackend, backend: CacheBackend) -> None:
        """get_many asks the store once, whatever the number of keys (7)."""
        items = {f"key {number}": b"%d" % number for number in range(1000)}
        assert ops.set_many(items) == 1000
        before = self.round_trips(backend)
        assert ops.get_many(items) == items
        assert before is None or self.round_trips(backend) == before + 1

    def test_set_many_returns_the_number_stored(self, ops: CacheBackend) -> None:
        """set_many stores each item with the ttl and counts them (8)."""
        assert ops.set_many({"a": b"1", "b": b"2"}, ttl=self.tick) == 2
        assert ops.set_many({"b": b"3"}) == 1
        assert ops.get_many(["a", "b"]) == {"a": b"1", "b": b"3"}
        self.advance(1.5 * self.tick)
        assert ops.get_many(["a", "b"]) == {"b": b"3"}

    def test_set_many_with_a_ttl_of_zero_removes(self, ops: CacheBackend) -> None:
        """set_many with a ttl of 0 stores nothing and removes the old values, as set does (8, 10)."""
        ops.set("a", b"1")
        assert ops.set_many({"a": b"2", "b": b"3"}, ttl=0) == 0
        assert ops.get_many(["a", "b"]) == {}

    def test_delete_many_returns_the_number_removed(self, ops: CacheBackend) -> None:
        """delete_many counts the keys that were there and copes with the others (8)."""
        ops.set_many({"a": b"1", "b": b"2", "c": b"3"})
        assert ops.delete_many(["a", "unknown", "c", "a"]) == 2
        assert ops.get_many(["a", "b", "c"]) == {"b": b"2"}
        assert ops.delete_many(["a", "unknown"]) == 0

    def test_clear_removes_every_entry(self, ops: CacheBackend) -> None:
        """Clear returns how many entries there were and leaves a store that works (17)."""
        ops.set_many({"a": b"1", "b": b"2"})
        ops.set("expired", b"3", ttl=self.tick)
        self.advance(1.5 * self.tick)
        assert ops.clear() == (2 if self.counts_cleared else 0)
        assert ops.get_many(["a", "b", "expired"]) == {}
        assert ops.clear() == 0
        assert ops.add("a", b"again") is True
        assert ops.get("a") == b"again"

    def test_clear_leaves_other_namespaces_alone(self, ops: CacheBackend) -> None:
        """Clear touches only this cache's entries (17)."""
        neighbour = self.make_neighbour()
        self.needs(neighbour is not None, "the store has no namespaces")
        assert neighbour is not None
        with neighbour:
            neighbour.set("theirs", b"1")
            ops.set("ours", b"2")
            assert neighbour.get("ours") is None
            ops.clear()
            assert neighbour.get("theirs") == b"1"

    def test_clear_is_safe_while_others_write(self, ops: CacheBackend) -> None:
        """Clearing in the middle of writes breaks neither, and what is written afterwards is there (17)."""
        cleared = threading.Event()

        def work(number: int) -> None:
            if number == 0:
                for _ in range(5):
                    assert ops.clear() >= 0
                cleared.set()
            count = 0
            while not cleared.is_set() or count < 5:
                assert ops.set(f"key {number} {count % 20}", b"value") is True
                ops.get(f"key {number - 1} {count % 20}")
                count += 1
            ops.set(f"last {number}", b"value")

        in_threads(4, work)
        assert len(ops.get_many([f"last {number}" for number in range(4)])) == 4
        ops.clear()
        stats = ops.get_stats()
        assert stats.current_entries in (0, None)
        assert stats.current_size_bytes in (0, None)
