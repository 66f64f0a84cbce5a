"""What a block of code says about caching: that it goes without, or that its invalidations wait for its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final

from cachelayer.flows import Flow, arun, run

#: The environment variable that switches caching off for the whole process.
DISABLED_VARIABLE: Final = "CACHELAYER_DISABLED"

_is_disabled: Final = os.environ.get(DISABLED_VARIABLE, "").lower() in ("1", "true", "yes", "on")

#: One item for each `bypass` block under way anywhere in this process. Hits look at this alone: it costs next to
#: nothing where it is empty, and only where it is not does `is_bypassed` have to ask.
bypasses: Final[list[None]] = [None] if _is_disabled else []

_bypassed: ContextVar[bool] = ContextVar("cachelayer_bypassed", default=_is_disabled)


class bypass:  # noqa: N801 - used as a function is
    """Within the block this task, or thread, computes by itself: no reads, writes or counts.

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
        self._token = _bypassed.set(True)

    def __exit__(self, *exc: object) -> None:
        _bypassed.reset(self._token)
        bypasses.pop()


def is_bypassed() -> bool:
    """Whether the caller is in a `bypass` block, or the process goes without caching."""
    return bool(bypasses) and _bypassed.get()


#: Makes the flow of one invalidation.
Invalidation = Callable[[], Flow[Any]]

_deferred: ContextVar[list[Invalidation] | None] = ContextVar("cachelayer_deferred", default=None)


class deferred_invalidation:  # noqa: N801 - used as a function is
    """What is invalidated within the block is invalidated at its end, and not at all where the block raises.

    For what follows a transaction: a value that is computed before the commit is made of the old data. Use it with
    `async with` in a coroutine. Of blocks within blocks the outermost counts. Meanwhile `invalidate` gives False,
    and `invalidate_tags` 0.
    """

    def __init__(self) -> None:
        self._token: Token[list[Invalidation] | None] | None = None
        self._waiting: list[Invalidation] = []

    def __enter__(self) -> None:
        if _deferred.get() is None:
            self._token = _deferred.set(self._waiting)

    def __exit__(self, kind: object, *exc: object) -> None:
        for make in self._end(failed=kind is not None):
            run(make())

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, kind: object, *exc: object) -> None:
        for make in self._end(failed=kind is not None):
            await arun(make())

    def _end(self, *, failed: bool) -> list[Invalidation]:
        if self._token is None:
            return []
        try:
            _deferred.reset(self._token)
        except ValueError:
            _deferred.set(None)  # Entered in another context, as dependencies of web frameworks may be.
        self._token = None
        waiting, self._waiting = self._waiting, []
        return [] if failed else waiting


def defer(make: Invalidation) -> bool:
    """Leave an invalidation to the end of the block that the caller is in; False where it is in none."""
    waiting = _deferred.get()
    if waiting is None:
        return False
    waiting.append(make)
    return True
