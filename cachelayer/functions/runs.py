"""One run of an async generator for all tasks of an event loop that want its items at the same time.

The generator runs in a task of its own, from its first step to its last, and makes an item when somebody wants it.
Each follower takes the items at its own pace, copies of its own. When the last one has left, the run ends too.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol

from cachelayer.flow.flights import Flight

_driving: ContextVar[tuple[SharedRun, ...]] = ContextVar("cachelayer_driving", default=())


class Record(Protocol):
    """What becomes of the items."""

    @property
    def flight(self) -> Flight | None:
        """What fences it, from when it has begun."""
        ...

    @property
    def joinable(self) -> bool:
        """Whether all items so far can be given to somebody who comes now."""
        ...

    def keep(self, item: Any) -> Callable[[], Any]:
        """Note an item; return what gives a copy of it."""
        ...

    async def begin(self) -> None:
        """Fence the run, which begins now."""
        ...

    async def end(self) -> None:
        """Store the run, which has come to its end."""
        ...

    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object, /
    ) -> None: ...


class SharedRun:
    """One run.

    Args:
        generator: what is run.
        record: what becomes of its items.
        leave: called when nobody can join any more.
    """

    def __init__(
        self, generator: AsyncGenerator[Any, Any], record: Record, leave: Callable[[SharedRun], None]
    ) -> None:
        self._generator, self.record, self._leave = generator, record, leave
        #: Those from the `_first` on.
        self._items: deque[Callable[[], Any]] = deque()
        self._first = self._wanted = 0
        #: How many items each follower has had.
        self._places: dict[object, int] = {}
        self._demand = asyncio.Event()
        self._changed = asyncio.get_running_loop().create_future()
        self._error: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self.ended = False

    @property
    def joinable(self) -> bool:
        """Whether one more may follow: not from within the generator itself, which would wait for itself."""
        return not self.ended and self.record.joinable and self not in _driving.get()

    async def follow(self) -> AsyncGenerator[Any, None]:
        """Yield the items, from the first on, and raise what the generator raises."""
        follower = object()
        self._places[follower] = 0
        if self._task is None:
            self._task = asyncio.create_task(self._drive())
        try:
            while (give := await self._item(self._places[follower])) is not None:
                self._places[follower] += 1
                self._drop_the_past()
                yield give()
            if self._error is not None:
                raise self._error
        finally:
            del self._places[follower]
            if not self._places and not self.ended:
                self._leave(self)
                self._task.cancel()
                await asyncio.wait([self._task])

    async def _item(self, place: int) -> Callable[[], Any] | None:
        while place >= self._first + len(self._items):
            if self.ended:
                return None
            self._wanted = max(self._wanted, place + 1)
            self._demand.set()
            await asyncio.shield(self._changed)
        return self._items[place - self._first]

    def _drop_the_past(self) -> None:
        """Forget the items that everybody has had, once nobody can come who would want them."""
        if not self.record.joinable:
            behind = min(self._places.values())
            while self._first < behind:
                self._items.popleft()
                self._first += 1

    async def _drive(self) -> None:
        _driving.set((*_driving.get(), self))
        try:
            await self.record.begin()
            with self.record:
                try:
                    async for item in self._generator:
                        self._items.append(self.record.keep(item))
                        self._tell()
                        await self._until_wanted()
                finally:
                    await self._generator.aclose()
                await self.record.end()
        except Exception as error:  # noqa: BLE001 - it is raised where the items are asked for
            self._error = error
        finally:
            self.ended = True
            self._leave(self)
            self._tell()

    async def _until_wanted(self) -> None:
        while self._wanted <= self._first + len(self._items):
            self._demand.clear()
            await self._demand.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.get_running_loop().create_future()
        changed.set_result(None)


class Runs:
    """The runs under way of one function, by event loop and key.

    Attributes:
        ended: grows with each run that ends: who sees it unchanged knows that none has stored anything meanwhile.
    """

    def __init__(self) -> None:
        self.ended = 0
        self._runs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedRun]] = (
            weakref.WeakKeyDictionary()
        )

    def get(self, key: str) -> SharedRun | None:
        """Return the run of `key` in this event loop that one more may follow."""
        run = self._of_this_loop().get(key)
        return run if run is not None and run.joinable else None

    def begin(self, key: str, generator: AsyncGenerator[Any, Any], record: Record) -> SharedRun:
        """Return a new run, which others may join from now on."""
        run = self._of_this_loop()[key] = SharedRun(generator, record, partial(self.leave, key))
        return run

    def leave(self, key: str, run: SharedRun) -> None:
        """Let nobody join the run any more."""
        self.ended += 1
        runs = self._of_this_loop()
        if runs.get(key) is run:
            del runs[key]

    def _of_this_loop(self) -> dict[str, SharedRun]:
        return self._runs.setdefault(asyncio.get_running_loop(), {})
