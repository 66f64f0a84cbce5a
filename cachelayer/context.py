"""What a block of code says about caching: that it goes without, or that its invalidations wait for its end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from cachelayer.flows import Flow, arun, run

#: The environment variable that switches caching off for the whole process.
DISABLED_VARIABLE: Final = "CACHELAYER_DISABLED"

_is_disabled: Final = os.environ.get(DISABLED_VARIABLE, "").lower() in ("1", "true", "yes", "on")

#: One item for each `bypass` block under way anywhere in this process. Hits look at this alone: it costs next to
#: nothing where it is empty, and only where it is not does `is_bypassed` have to ask.
bypasses: Final[list[None]] = [None] if _is_disabled else []

#: Who asks for what is logged, such as a user of the dashboard; "" is the application itself.
acting: Final[ContextVar[str]] = ContextVar("cachelayer_acting", default="")

#: Makes the flow of one invalidation.
Invalidation = Callable[[], Flow[Any]]


class _Block:
    """One `with` under way. What was started within it has it in its context still when it has ended."""

    __slots__ = ("is_open", "outer", "waiting")

    def __init__(self, outer: _Block | None) -> None:
        self.is_open = True
        self.outer = outer
        #: The invalidations that wait for its end.
        self.waiting: deque[Invalidation] = deque()


_Current = ContextVar[_Block | None]
_bypassed: _Current = ContextVar("cachelayer_bypassed", default=_Block(None) if _is_disabled else None)
_deferred: _Current = ContextVar("cachelayer_deferred", default=None)


def _innermost(current: _Current) -> _Block | None:
    """Return the block that the caller is in."""
    block = current.get()
    while block is not None and not block.is_open:
        block = block.outer
    return block


class _Blocks:
    """The blocks under way of one object: several, where it is used by several threads, or within itself."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []

    def _begin(self, current: _Current) -> _Block:
        block = _Block(_innermost(current))
        self._blocks.append(block)
        current.set(block)
        return block

    def _end(self, current: _Current) -> _Block:
        block = current.get()
        if block is None or block not in self._blocks:
            # Entered in another context, as dependencies of web frameworks may be.
            block = self._blocks[-1]
        else:
            current.set(block.outer)
        self._blocks.remove(block)
        block.is_open = False
        return block


class bypass(_Blocks):  # noqa: N801 - used as a function is
    """Within the block this task, or thread, computes by itself: no reads, writes or counts.

    Invalidations are done all the same: what others read must not be wrong.

    Example:
        >>> from cachelayer import bypass, cached
        >>> @cached
        ... def answer():
        ...     return 42
        >>> with bypass():
        ...     answer()
        42
        >>> answer.stats().requests
        0
    """

    def __enter__(self) -> None:
        bypasses.append(None)
        self._begin(_bypassed)

    def __exit__(self, *exc: object) -> None:
        self._end(_bypassed)
        bypasses.pop()


def is_bypassed() -> bool:
    """Whether the caller is in a `bypass` block, or the process goes without caching."""
    return bool(bypasses) and _innermost(_bypassed) is not None


class deferred_invalidation(_Blocks):  # noqa: N801 - used as a function is
    """What is invalidated within the block is invalidated at its end, and not at all where the block raises.

    For what follows a transaction: a value that is computed before the commit is made of the old data. Use it with
    `async with` in a coroutine. Of blocks within blocks the outermost counts. Meanwhile `invalidate` gives False,
    and `invalidate_tags` 0. A task that was started within the block and outlives it invalidates at once from then on.
    """

    def __enter__(self) -> None:
        self._begin(_deferred)

    def __exit__(self, kind: object, *exc: object) -> None:
        raised: BaseException | None = None
        for make in self._due(failed=kind is not None):
            try:
                run(make())
            except BaseException as error:  # noqa: BLE001 - it is raised once the others are done
                raised = raised or error
        if raised is not None:
            raise raised

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, kind: object, *exc: object) -> None:
        raised: BaseException | None = None
        for make in self._due(failed=kind is not None):
            try:
                await arun(make())
            except BaseException as error:  # noqa: BLE001 - it is raised once the others are done
                raised = raised or error
        if raised is not None:
            raise raised

    def _due(self, *, failed: bool) -> list[Invalidation]:
        block = self._end(_deferred)
        waiting = block.waiting
        due = [waiting.popleft() for _ in range(len(waiting))]
        return [] if failed else due


def defer(make: Invalidation) -> bool:
    """Leave an invalidation to the end of the block that the caller is in; False where it is in none."""
    block = around = _innermost(_deferred)
    if block is None:
        return False
    while around is not None:
        block, around = (around if around.is_open else block), around.outer
    block.waiting.append(make)
    if block.is_open:
        return True
    try:
        # It has ended meanwhile, in another thread: whoever takes it out has to do it.
        block.waiting.remove(make)
    except ValueError:
        return True
    return False
