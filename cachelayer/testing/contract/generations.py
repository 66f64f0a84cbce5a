"""What tags, namespaces and fences stand on."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

from cachelayer.backends.base import CacheBackend
from cachelayer.testing.colours import Colour
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.crowds import in_threads


class Generations(ContractBase):
    """Clauses 17 and 19, as far as they are about generations."""

    def test_a_generation_is_made_once(self, ops: CacheBackend) -> None:
        """A name's generation is made when it is first asked for, differs from others', and stays (19)."""
        first = ops.generations(["a", "b"])
        assert set(first) == {"a", "b"}
        assert first["a"] != first["b"]
        assert ops.generations(["b", "a", "c"]) | first == ops.generations(["a", "b", "c"])
        assert ops.generations([]) == {}

    def test_bumping_gives_a_new_generation(self, ops: CacheBackend) -> None:
        """A bumped name has a generation that it never had; the others keep theirs (19)."""
        first = ops.generations(["a", "b"])
        ops.bump_generations(["a", "unknown"])
        second = ops.generations(["a", "b"])
        ops.bump_generations(["a"])
        third = ops.generations(["a", "b"])
        assert len({first["a"], second["a"], third["a"]}) == 3
        assert first["b"] == second["b"] == third["b"]

    def test_a_lost_generation_is_never_had_again(self, ops: CacheBackend) -> None:
        """Whatever clear() does to generations, an old one does not come back (19)."""
        first = ops.generations(["a"])
        ops.bump_generations(["a"])
        ops.clear()
        assert ops.generations(["a"]) != first

    def test_callers_agree_on_a_new_generation(self, ops: CacheBackend) -> None:
        """Eight threads that ask for a new name at once get one generation (19)."""
        seen = in_threads(
            8, lambda _: tuple(ops.generations(f"tag {number}" for number in range(10)).items())
        )
        assert len(set(seen)) == 1

    def test_processes_agree_on_generations(
        self, ops: CacheBackend, backend: CacheBackend, colour: Colour
    ) -> None:
        """A generation, new or bumped, is the same to every process (19)."""
        self.needs(backend.shared, "each process has its own")
        seen = self.in_processes(colour, lambda own, _: own.generations(["a"])["a"])
        assert set(seen) == {ops.generations(["a"])["a"]}
        self.in_processes(colour, lambda own, _: own.bump_generations(["a"]))
        assert ops.generations(["a"])["a"] not in seen

    def test_bookkeeping_is_invisible(self, ops: CacheBackend) -> None:
        """Generations and locks are neither listed, nor counted, nor cleared as entries (17)."""
        self.needs(self.hides_bookkeeping, "the store does not tell book-keeping from entries")
        ops.set("key", b"value")
        before = ops.get_stats()
        ops.generations(["a", "b"])
        ops.bump_generations(["a"])
        lock = ops.lock("name")
        assert lock.acquire() is True
        assert ops.get_stats() == before
        if self.supports_keys:
            assert ops.keys() == ["key"]
        assert ops.clear() == (1 if self.counts_cleared else 0)
