"""Reading and writing in one step, whoever else is at it."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.generations import generation_key
from cachelayer.testing.colours import Colour
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.crowds import in_threads


class Atomics(ContractBase):
    """Clauses 3, 4, 9 and 19."""

    # -- add --------------------------------------------------------------------------------------------------

    def test_add_stores_only_what_is_absent(self, ops: CacheBackend) -> None:
        """Add stores under a missing key, and leaves one that is there as it is (4)."""
        assert ops.add("key", b"first") is True
        assert ops.add("key", b"second", ttl=self.tick) is False
        self.advance(1.5 * self.tick)
        assert ops.get("key") == b"first"

    def test_add_succeeds_on_an_expired_key(self, ops: CacheBackend) -> None:
        """A key whose ttl has passed is absent to add, and the new ttl counts (4)."""
        assert ops.add("key", b"first", ttl=self.tick) is True
        self.advance(1.5 * self.tick)
        assert ops.add("key", b"second", ttl=2 * self.tick) is True
        assert ops.get("key") == b"second"
        self.advance(2.5 * self.tick)
        assert ops.get("key") is None

    def test_add_is_atomic_among_threads(self, ops: CacheBackend) -> None:
        """Of eight threads that add a key at once, one succeeds (4)."""
        won = in_threads(8, _add_each(ops))
        assert [sum(column) for column in zip(*won, strict=True)] == [1] * 20

    def test_add_is_atomic_among_processes(
        self, ops: CacheBackend, backend: CacheBackend, colour: Colour
    ) -> None:
        """Of four processes that add a key at once, one succeeds (4)."""
        self.needs(backend.shared, "each process has its own")
        won = self.in_processes(colour, lambda own, number: _add_each(own)(number))
        assert [sum(column) for column in zip(*won, strict=True)] == [1] * 20
        assert len(ops.get_many([f"key {number}" for number in range(20)])) == 20

    # -- incr -------------------------------------------------------------------------------------------------

    def test_incr_counts(self, ops: CacheBackend) -> None:
        """A missing key starts at the delta; the count is stored as decimal digits (9)."""
        self.needs(self.supports_incr, "no incr()")
        assert ops.incr("key") == 1
        assert ops.incr("key", 41) == 42
        assert ops.get("key") == b"42"
        assert ops.incr("key", -40) == 2
        assert ops.incr("other", 5) == 5
        ops.set("stored", b"99")
        assert ops.incr("stored") == 100

    def test_incr_keeps_the_ttl(self, ops: CacheBackend) -> None:
        """Counting does not prolong an entry's life, and a new count starts when it has ended (9)."""
        self.needs(self.supports_incr, "no incr()")
        ops.set("key", b"1", ttl=2 * self.tick)
        self.advance(self.tick)
        assert ops.incr("key") == 2
        self.advance(1.5 * self.tick)
        assert ops.get("key") is None
        assert ops.incr("key", 7) == 7

    @pytest.mark.parametrize("value", [b"", b"text", b"1.5", b" 1", b"1_0", b"0x1", b"\xff"], ids=repr)
    def test_incr_of_no_integer_raises(self, ops: CacheBackend, value: bytes) -> None:
        """What is no decimal integer raises ValueError and stays as it is (9)."""
        self.needs(self.supports_incr, "no incr()")
        ops.set("key", value)
        with pytest.raises(ValueError, match="not an integer"):
            ops.incr("key")
        assert ops.get("key") == value

    @pytest.mark.parametrize("delta", [1.5, "1", None], ids=repr)
    def test_incr_by_no_integer_raises(self, ops: CacheBackend, delta: Any) -> None:
        """A delta that is no int raises TypeError before anything is written (9)."""
        self.needs(self.supports_incr, "no incr()")
        with pytest.raises(TypeError):
            ops.incr("key", delta)
        assert ops.get("key") is None

    def test_incr_is_exact_among_threads(self, ops: CacheBackend) -> None:
        """Eight threads that count together lose no count, and no two get the same number (9)."""
        self.needs(self.supports_incr, "no incr()")
        seen = in_threads(8, lambda _: [ops.incr("key") for _ in range(50)])
        assert sorted(chain.from_iterable(seen)) == list(range(1, 401))

    def test_incr_is_exact_among_processes(
        self, ops: CacheBackend, backend: CacheBackend, colour: Colour
    ) -> None:
        """Four processes that count together lose no count (9)."""
        self.needs(self.supports_incr, "no incr()")
        self.needs(backend.shared, "each process has its own")
        seen = self.in_processes(colour, lambda own, _: [own.incr("key") for _ in range(50)])
        assert sorted(chain.from_iterable(seen)) == list(range(1, 201))
        assert ops.get("key") == b"200"

    def test_incr_that_is_not_supported_raises(self, ops: CacheBackend) -> None:
        """A store that cannot count says so rather than lose counts (9)."""
        self.needs(not self.supports_incr, "it has incr()")
        with pytest.raises(NotImplementedError):
            ops.incr("key")

    # -- compare and set --------------------------------------------------------------------------------------

    def test_compare_and_set_stores_if_nothing_changed(self, ops: CacheBackend) -> None:
        """A value is stored where the key holds what was expected, and only there (19)."""
        ops.set("key", b"old")
        assert ops.compare_and_set("key", b"new", {"key": b"other"}) is False
        assert ops.compare_and_set("key", b"new", {"key": None}) is False
        assert ops.get("key") == b"old"
        assert ops.compare_and_set("key", b"new", {"key": b"old"}, ttl=self.tick) is True
        assert ops.get("key") == b"new"
        self.advance(1.5 * self.tick)
        assert ops.get("key") is None

    def test_compare_and_set_may_expect_absence(self, ops: CacheBackend) -> None:
        """None stands for a key that is not there, or has expired; b"" does not (19)."""
        assert ops.compare_and_set("key", b"1", {"key": b""}) is False
        assert ops.compare_and_set("key", b"1", {"key": None}, ttl=self.tick) is True
        assert ops.compare_and_set("key", b"2", {"key": None}) is False
        self.advance(1.5 * self.tick)
        assert ops.compare_and_set("key", b"2", {"key": None}) is True
        assert ops.get("key") == b"2"

    def test_compare_and_set_may_look_at_other_keys(self, ops: CacheBackend) -> None:
        """Each of several keys has to hold what was expected; with none expected it is a set (19)."""
        ops.set("a", b"1")
        assert ops.compare_and_set("key", b"value", {"a": b"1", "b": b"2"}) is False
        ops.set("b", b"2")
        assert ops.compare_and_set("key", b"value", {"a": b"1", "b": b"2"}) is True
        assert ops.compare_and_set("key", b"again", {}) is True
        assert ops.get("key") == b"again"

    def test_compare_and_set_is_fenced_by_generations(self, ops: CacheBackend) -> None:
        """A result is stored only if no generation it was computed under has changed since (19)."""
        held = ops.generations(["a", "b"])
        expected: dict[str, bytes | None] = {generation_key(name): value for name, value in held.items()}
        assert ops.compare_and_set("key", b"first", expected) is True
        ops.bump_generations(["b"])
        assert ops.compare_and_set("key", b"late", expected) is False
        assert ops.get("key") == b"first"

    def test_compare_and_set_is_atomic_among_threads(self, ops: CacheBackend) -> None:
        """Eight threads that read, add one and compare-and-set lose no update (19)."""
        ops.set("key", b"0")
        in_threads(8, lambda _: _raise_by(ops, 10))
        assert ops.get("key") == b"80"

    def test_compare_and_set_is_atomic_among_processes(
        self, ops: CacheBackend, backend: CacheBackend, colour: Colour
    ) -> None:
        """Four processes that read, add one and compare-and-set lose no update (19)."""
        self.needs(backend.shared, "each process has its own")
        ops.set("key", b"0")
        self.in_processes(colour, lambda own, _: _raise_by(own, 10))
        assert ops.get("key") == b"40"

    # -- plain writes -----------------------------------------------------------------------------------------

    def test_a_key_that_is_overwritten_is_never_missing(self, ops: CacheBackend) -> None:
        """Readers see the old value or the new one at every moment, never none and never a mixture (3)."""
        values = [bytes([number]) * 1000 for number in range(256)]
        ops.set("key", values[0])
        done = threading.Event()

        def work(number: int) -> set[bytes | None]:
            seen: set[bytes | None] = set()
            if number == 0:
                for value in values:
                    ops.set("key", value)
                done.set()
            while not done.is_set():
                seen.add(ops.get("key"))
                seen.add(values[0] if ops.exists("key") else None)
            return seen

        assert set(chain.from_iterable(in_threads(4, work))) <= set(values)


def _add_each(ops: CacheBackend) -> Callable[[int], list[bool]]:
    return lambda caller: [ops.add(f"key {number}", b"%d" % caller) for number in range(20)]


def _raise_by(ops: CacheBackend, count: int) -> None:
    """Raise the number under "key" by `count`, one at a time."""
    while count:
        old = ops.get("key")
        assert old is not None
        count -= ops.compare_and_set("key", b"%d" % (int(old) + 1), {"key": old})
