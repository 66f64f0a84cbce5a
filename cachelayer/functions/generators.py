"""Cached generator functions: a hit yields the items again, a miss yields them as they come.

What is stored is the pair of all items and what the generator returned, once the run has come to its end. A run that
its caller leaves half-way stores nothing. Each item is copied as it is yielded, so that its caller may change it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, nullcontext
from time import perf_counter
from typing import Any, Final

from cachelayer.context import bypasses, is_bypassed
from cachelayer.errors import EncodingError
from cachelayer.flow.flights import Flight
from cachelayer.flow.lookups import Lookup, Result
from cachelayer.flows import Flow, arun, run
from cachelayer.functions.core import FunctionCore, Place
from cachelayer.functions.runs import Runs, SharedRun
from cachelayer.outcomes import Outcome
from cachelayer.values.snapshot import Snapshot, snapshot

#: Runs of more items are not stored, since they would be held in memory until their end.
MOST_ITEMS: Final = 100_000

#: All items, and what the generator returned.
Run = tuple[list[Any], Any]


def collector(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs the generator to its end and returns the `Run`: for `refresh`."""
    if inspect.isasyncgenfunction(function):

        async def acollect(*args: Any, **kwargs: Any) -> Run:
            return [item async for item in function(*args, **kwargs)], None

        return acollect

    def collect(*args: Any, **kwargs: Any) -> Run:
        items: list[Any] = []
        returned = yield_into(items, function(*args, **kwargs))
        return items, returned

    return collect


def yield_into(items: list[Any], generator: Generator[Any, None, Any]) -> Any:
    """Append what the generator yields; return what it returns."""
    while True:
        try:
            items.append(next(generator))
        except StopIteration as end:
            returned: Any = end.value
            return returned


def run_annotation(annotation: Any) -> Any:
    """Return the type of the `Run` of a function with this return annotation; None where that says too little."""
    arguments = typing.get_args(annotation)
    if not arguments:
        return None
    returned = arguments[2] if len(arguments) == 3 else None
    return tuple[list[arguments[0]], returned]  # type: ignore[valid-type] # made at run time


def make_replay(core: FunctionCore) -> Callable[..., Any]:
    """Return what a cached generator function calls: it returns a generator."""
    function = core.function

    def replay(args: tuple[Any, ...], kwargs: dict[str, Any], place: Place) -> Generator[Any, None, Any]:
        if _goes_without(core):
            plain: Generator[Any, None, Any] = function(*args, **kwargs)
            return (yield from plain)
        found = run(core.find(args, kwargs))
        if found is not None:
            items, returned = found.give()
            yield from items
            return returned
        recording = Recording(core, args, kwargs)
        run(recording.beginning())
        with recording:
            generator = function(*args, **kwargs)
            try:
                returned = yield from recording.noting(generator)
            finally:
                generator.close()
            run(recording.finish(returned))
        return returned

    return replay


def make_replay_async(core: FunctionCore) -> Callable[..., Any]:
    """Return what a cached async generator function calls: it returns an async generator."""
    function, runs = core.function, Runs()

    async def replay(
        args: tuple[Any, ...], kwargs: dict[str, Any], place: Place
    ) -> AsyncGenerator[Any, None]:
        if _goes_without(core):
            async for item in function(*args, **kwargs):
                yield item
            return
        lookup = core.lookup(args, kwargs)
        found, shared = await _found_or_joined(core, runs, lookup)
        if found is not None:
            for item in found.give()[0]:
                yield item
            return
        joins = shared is not None
        if shared is None:
            shared = runs.begin(lookup.key, function(*args, **kwargs), Recording(core, args, kwargs))
        with _Joining(core, lookup) if joins else nullcontext():
            async with aclosing(shared.follow()) as items:
                async for item in items:
                    yield item

    return replay


async def _found_or_joined(
    core: FunctionCore, runs: Runs, lookup: Lookup
) -> tuple[Result | None, SharedRun | None]:
    """Return what is stored, or a run under way to follow; neither where the caller shall run the generator."""
    while True:
        seen = runs.ended
        found = await arun(core.find(lookup.args, lookup.kwargs))
        shared = None if found is not None else await _joined(core, runs, lookup)
        if found is not None or shared is not None or runs.ended == seen:
            return found, shared


async def _joined(core: FunctionCore, runs: Runs, lookup: Lookup) -> SharedRun | None:
    """Return a run under way that may be followed: one that was not fenced off, as by an invalidation."""
    while (shared := runs.get(lookup.key)) is not None:
        flight = shared.record.flight
        # One that has not begun is fenced when it does: what came before now is no concern of it.
        if flight is not None and not await arun(core.binding().engine.storage.intact(flight)):
            runs.leave(lookup.key, shared)
        elif shared.joinable:
            return shared
    return None


class _Joining:
    """Counts how it went for who followed another caller's run."""

    def __init__(self, core: FunctionCore, lookup: Lookup) -> None:
        self._core, self._key = core, lookup.key

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        ended = Result(Outcome.COLLAPSED)
        if error is not None:
            failed = isinstance(error, Exception)
            ended = (
                Result(Outcome.ERROR, error=error)
                if failed
                else Result(Outcome.UNCACHEABLE, reason="abandoned")
            )
        self._core.count(self._core.binding(), self._key, ended)


def _goes_without(core: FunctionCore) -> bool:
    """Whether the caller is in a `bypass` block, or caching is off, which is counted."""
    if bypasses and is_bypassed():
        return True
    binding = core.binding()
    if binding.is_off:
        core.count(binding, "", Result(Outcome.BYPASS, reason="disabled"))
    return binding.is_off


class Recording:
    """One run of a generator that may be stored. As a context manager it ends the run, however that ends.

    Attributes:
        lookup: where to store it.
        flight: fences it, from when it begins.
    """

    flight: Flight | None = None

    def __init__(self, core: FunctionCore, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._core = core
        self._binding = core.binding()
        self.lookup: Lookup = core.lookup(args, kwargs)
        self._items: list[Snapshot] = []
        self._refused: str | EncodingError = ""
        self._started = perf_counter()
        self._result = Result(Outcome.UNCACHEABLE, reason="abandoned")

    def noting(self, generator: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
        """Yield what the generator yields, and return what it returns."""
        while True:
            try:
                item = next(generator)
            except StopIteration as end:
                returned: Any = end.value
                return returned
            yield self.keep(item)()

    @property
    def joinable(self) -> bool:
        """Whether every item so far is at hand, so that somebody else can be given them too."""
        return not self._refused

    def keep(self, item: Any) -> Callable[[], Any]:
        """Note an item, before anybody gets it; return what gives a copy of it, itself where it has none."""
        try:
            kept = snapshot(item)
        except EncodingError as error:
            self._refused = self._refused or error
            self._items.clear()
            return lambda: item
        if not self._refused:
            self._items.append(kept)
            if len(self._items) > MOST_ITEMS:
                self._refused = "too many items"
                self._items.clear()
        return kept.value

    def beginning(self) -> Flow[None]:
        """Fence the run, which begins now."""
        self.flight = yield from self._binding.engine.begin(self.lookup)

    async def begin(self) -> None:
        """Fence the run, which begins now."""
        await arun(self.beginning())

    async def end(self) -> None:
        """Store the run, which has come to its end."""
        await arun(self.finish(None))

    def finish(self, returned: Any) -> Any:
        """Store the run, which has come to its end: a flow."""
        engine, seconds = self._binding.engine, perf_counter() - self._started
        if isinstance(self._refused, EncodingError):
            refusal = engine.keeper.unencodable(self.lookup.policy, self._refused)
            self._result = Result(Outcome.UNCACHEABLE, None, refusal, seconds=seconds, reason="unencodable")
        elif self._refused:
            self._result = Result(Outcome.UNCACHEABLE, seconds=seconds, reason=self._refused)
        elif self.flight is not None:
            value: Run = ([kept.value() for kept in self._items], returned)
            self._result = yield from engine.finish(self.lookup, self.flight, value, seconds)
        self._result.give()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object, /
    ) -> None:
        if self.flight is not None:
            self._binding.engine.drop(self.flight)
        if isinstance(error, Exception) and self._result.error is None:
            seconds = perf_counter() - self._started
            self._result = Result(Outcome.ERROR, error=error, seconds=seconds)
        self._core.count(self._binding, self.lookup.key, self._result)
