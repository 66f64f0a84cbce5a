"""How decorated functions are called: what is stored if it may be used, else the function, once for all who ask."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from cachelayer.context import is_bypassed
from cachelayer.flow.flights import Flight
from cachelayer.flows import run
from cachelayer.outcomes import Outcome
from cachelayer_flask.compat.arguments import parameter_count
from cachelayer_flask.compat.store import Pending, pending
from cachelayer_flask.compat.timeouts import Timeout
from cachelayer_flask.compat.values import CachedResponse
from cachelayer_flask.privacy import Watch, objection_to, watch_session

if TYPE_CHECKING:
    from cachelayer.stats.routes import RouteCounters
    from cachelayer_flask.compat.extension import Cache

logger = logging.getLogger("cachelayer.flask")


def label_of(function: Callable[..., Any]) -> str:
    """Return what a function is called in logs and statistics."""
    return f"{function.__module__}.{function.__qualname__}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `cached` and `memoize` have in common; see `Cache.cached`."""

    unless: Callable[..., Any] | None = None
    forced_update: Callable[..., Any] | None = None
    is_stale: Callable[..., Any] | None = None
    response_filter: Callable[..., Any] | None = None
    cache_none: bool = False


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        key: under which its result is stored.
        tags: that the result has.
        timeout: of the result.
        counters: what counts it.
        is_page: its key says nothing of who asks.
    """

    key: str
    tags: tuple[str, ...] = ()
    timeout: Timeout = None
    counters: RouteCounters
    is_page: bool = False


class Function:
    """One decorated function.

    Args:
        cache: the extension.
        function: it, not decorated.
        options: as the decorator was told.
        make: returns what there is to know about a call of these arguments, or raises.
        tell: told the key, the arguments, and whether it was found.
    """

    def __init__(
        self,
        cache: Cache,
        function: Callable[..., Any],
        options: Options,
        make: Callable[[tuple[Any, ...], dict[str, Any]], Call],
        tell: Callable[..., None],
    ) -> None:
        self.cache, self.function, self.options = cache, function, options
        self._make, self._tell = make, tell
        self.label = label_of(function)
        #: Whether a page of it was for nobody else: then nobody waits for somebody else's any more.
        self._is_for_one = False

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the result of a call."""
        if is_bypassed() or self.cache.cache.is_off or self._is_passed(args, kwargs):
            return self.run(args, kwargs)
        try:
            call = self._make(args, kwargs)
            forced = _says(self.options.forced_update, args, kwargs)
            found, value = (False, None) if forced else self._find(call)
            if found and self._is_stale(value, args, kwargs):
                found, forced = False, True
        except Exception:
            if self.cache.current.debug:
                raise
            logger.exception("%s is called uncached", self.label)
            return self.run(args, kwargs)
        self._tell(call.key, args, kwargs, found=found)
        if found:
            call.counters.record(Outcome.HIT)
            return _given(value)
        return _given(self._compute(call, args, kwargs, is_joined=not forced))

    def _is_passed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return _says(self.options.unless, (self.function, *args), kwargs)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, which may be a coroutine function, as Flask would."""
        return self.cache.current.ensure_sync(self.function)(*args, **kwargs)

    def _find(self, call: Call) -> tuple[bool, Any]:
        """Return whether there is a value, and the value."""
        with pending(Pending(call.key, call.tags)):
            value = self.cache.get(call.key)
            return value is not None or (self.options.cache_none and self.cache.has(call.key)), value

    def _is_stale(self, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        is_stale = self.options.is_stale
        if is_stale is None:
            return False
        more = parameter_count(is_stale) > 1
        return (is_stale(value, *args, **kwargs) if more else is_stale(value)) is True

    def _compute(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], *, is_joined: bool) -> Any:
        store, mine = self.cache.cache, _Computation(self, call, args, kwargs)
        if not is_joined or self._is_for_one:
            return mine.run()
        lookup = store.lookup(call.key, call.tags, label=self.label, compute=mine.run_for_all)
        result = run(store.layer.engine.get_or_compute(lookup))
        if mine.has_run:
            return mine.give()
        if isinstance(result.error, _ForOne):
            # What somebody else was given is for nobody else.
            return mine.run()
        call.counters.record(result.outcome)
        return result.give()

    def objection_to(self, call: Call, value: Any, watch: Watch) -> str | None:
        """Return why a page is for nobody else, and log the first such page; None where it may be stored."""
        objection = objection_to(value, watch) if call.is_page else None
        if objection is not None and not self._is_for_one:
            self._is_for_one = True
            logger.warning(
                "a page of %s is not stored: %s, and its key says nothing of who asks; give it a key_prefix or "
                "make_cache_key that does, if it is to be cached",
                self.label,
                objection,
            )
        return objection


class _ForOne(Exception):  # noqa: N818 - it says whom a page is for
    """Ends a computation that others wait for, whose result is not for them."""


class _Computation:
    """One computation of a call's result, stored by `Cache.set` unless something keeps it from that."""

    def __init__(self, function: Function, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._of, self._call, self._args, self._kwargs = function, call, args, kwargs
        self.has_run, self._is_for_one = False, False
        self._value: Any = None
        self._error: Exception | None = None

    def give(self) -> Any:
        """Return or raise what the function did."""
        if self._error is not None:
            raise self._error
        return self._value

    def run_for_all(self) -> Any:
        """Call the function for others, too; raise _ForOne where it was for one alone."""
        value = self.run()
        if self._is_for_one:
            raise _ForOne
        return value

    def run(self) -> Any:
        """Call the function."""
        self.has_run = True
        engine, call = self._of.cache.cache.layer.engine, self._call
        flight = run(engine.begin(self._of.cache.cache.lookup(call.key, call.tags)))
        began = time.perf_counter()
        try:
            with watch_session() as watch:
                self._value = self._called()
            self._end(flight, time.perf_counter() - began, watch)
        except Exception as error:
            self._error = error
            seconds = time.perf_counter() - began
            call.counters.record(Outcome.ERROR, seconds=seconds, reason=type(error).__name__)
            raise
        finally:
            engine.drop(flight)
        return self._value

    def _end(self, flight: Flight, seconds: float, watch: Watch) -> None:
        objection = self._of.objection_to(self._call, self._value, watch)
        self._is_for_one = objection is not None
        outcome = Outcome.UNCACHEABLE if self._is_for_one else self._store(flight, seconds)
        self._call.counters.record(outcome, seconds=seconds, reason=objection or "")

    def _called(self) -> Any:
        """Return what the function gave: what an error page raises too, and a generator's items together."""
        try:
            value = self._of.run(self._args, self._kwargs)
        except HTTPException as error:
            return error
        return _joined(value)

    def _store(self, flight: Flight, seconds: float) -> Outcome:
        value, options = self._value, self._of.options
        if value is None and not options.cache_none:
            return Outcome.UNCACHEABLE
        accepts = options.response_filter
        if accepts is not None and not accepts(
            value.get_response() if isinstance(value, HTTPException) else value
        ):
            return Outcome.UNCACHEABLE
        timeout = self._call.timeout
        if isinstance(value, CachedResponse):
            timeout = value.timeout or timeout
        try:
            with pending(Pending(self._call.key, self._call.tags, flight, seconds)):
                self._of.cache.set(self._call.key, value, timeout=timeout)
        except Exception:
            if self._of.cache.current.debug:
                raise
            logger.exception("the result of %s is not stored", self._of.label)
            return Outcome.UNCACHEABLE
        return Outcome.MISS


def _says(predicate: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a predicate is there and says True: of the arguments, if it takes any."""
    if predicate is None:
        return False
    return (predicate(*args, **kwargs) if parameter_count(predicate) else predicate()) is True


def _given(value: Any) -> Any:
    """Return a result, or raise it where it is an error page."""
    if isinstance(value, HTTPException):
        raise value
    return value


def _joined(value: Any) -> Any:
    """Return a generator's items together: as one text, or one value of bytes, or a list."""
    if not inspect.isgenerator(value):
        return value
    items: list[Any] = list(value)
    if all(isinstance(item, str) for item in items):
        return "".join(items)
    if all(isinstance(item, bytes) for item in items):
        return b"".join(items)
    return items
