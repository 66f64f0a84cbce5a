"""Opening, closing, forking, and event loops that come and go."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from cachelayer.backends.base import CacheBackend
from cachelayer.errors import CacheLayerError
from cachelayer.testing.colours import Colour, in_colour
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.crowds import in_a_child, in_threads


class Lifecycle(ContractBase):
    """Clauses 23 to 25."""

    def test_closing_twice_is_fine(self, ops: CacheBackend) -> None:
        """A second close() does nothing (23)."""
        ops.set("key", b"value")
        ops.close()
        ops.close()

    def test_use_after_close_raises(self, ops: CacheBackend) -> None:
        """A closed backend raises an error of ours that is a RuntimeError, whatever it is asked (23)."""
        self.needs(self.raises_when_closed, "there is nothing to close")
        ops.set("key", b"value")
        ops.close()
        calls: list[Callable[[], object]] = [
            lambda: ops.get("key"),
            lambda: ops.set("key", b"value"),
            lambda: ops.delete("key"),
            lambda: ops.exists("key"),
            lambda: ops.get_many(["key"]),
            lambda: ops.set_many({"key": b"value"}),
            lambda: ops.add("key", b"value"),
            ops.clear,
        ]
        for call in calls:
            with pytest.raises(RuntimeError) as caught:
                call()
            assert isinstance(caught.value, CacheLayerError)

    def test_a_backend_is_a_context_manager(self, ops: CacheBackend) -> None:
        """A with statement gives the backend and closes it (23)."""
        with ops as entered:
            assert entered is ops
            assert ops.set("key", b"value") is True
        if self.raises_when_closed:
            with pytest.raises(RuntimeError):
                ops.get("key")

    def test_a_backend_that_was_not_closed_warns(self) -> None:
        """One that is dropped with connections open gives a ResourceWarning (23)."""
        self.needs(self.warns_when_not_closed, "there is nothing to close")
        with pytest.warns(ResourceWarning):
            self._use_and_drop()

    def _use_and_drop(self) -> None:
        self.make_backend().set("key", b"value")
        gc.collect()

    def test_a_forked_child_can_use_the_store(self, backend: CacheBackend, colour: Colour) -> None:
        """A child reads and writes through the backend it inherited, and its parent goes on (24)."""
        backend.set("key", b"parent's")

        def work() -> list[object]:
            with in_colour(backend, colour) as ops:
                return [ops.get("key"), ops.set("key", b"child's"), ops.get("key"), ops.exists("other")]

        assert in_a_child(work) == [b"parent's", True, b"child's", False]
        assert backend.get("key") == (b"child's" if backend.shared else b"parent's")
        assert backend.set("key", b"again") is True

    def test_event_loops_come_and_go(self, backend: CacheBackend) -> None:
        """One backend serves many event loops, one after another and at the same time (25)."""

        async def use(number: int) -> list[bytes | None]:
            key = f"key {number}"
            await backend.aset(key, b"%d" % number)
            return await asyncio.gather(*(backend.aget(key) for _ in range(5)))

        def run(number: int) -> list[bytes | None]:
            # With a factory the runner leaves the thread's current event loop as it is.
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                return runner.run(use(number))

        for number in range(3):
            assert run(number) == [b"%d" % number] * 5
        assert in_threads(4, run) == [[b"%d" % number] * 5 for number in range(4)]

    def test_an_async_with_statement_closes(self) -> None:
        """`async with` gives the backend and closes it (23)."""

        async def use() -> None:
            async with self.make_backend() as backend:
                assert await backend.aset("key", b"value") is True
            if self.raises_when_closed:
                with pytest.raises(RuntimeError):
                    await backend.aget("key")

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(use())
