"""What one cached function is made of: options, keys, the cache it is bound to at first use, and its lookups."""

from __future__ import annotations

import inspect
import keyword
import sys
import time
import typing
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.null import NullBackend
from cachelayer.backends.table import EntryTable
from cachelayer.backends.tags import Link, Shortcut
from cachelayer.cache import Cache
from cachelayer.changes import changing_cache
from cachelayer.context import is_bypassed
from cachelayer.default import follow_default
from cachelayer.errors import ConfigurationError, KeyingError
from cachelayer.events import CacheEvent, EventKind
from cachelayer.flow.freshness import PLAIN
from cachelayer.flow.lookups import Lookup, Policy, Result
from cachelayer.flow.objects import LocalEntry
from cachelayer.flow.records import stored_of
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow, run
from cachelayer.functions.encoding import has_cache_key
from cachelayer.functions.keys import KeyMaker
from cachelayer.functions.options import DISTRIBUTED, NOT_GIVEN, FunctionOptions
from cachelayer.functions.parameters import Call, Parameters, make_binder
from cachelayer.outcomes import SERVED, Outcome
from cachelayer.stats import RouteStats
from cachelayer.stats.routes import RouteCounters
from cachelayer.values.codecs import ValueCodec

if TYPE_CHECKING:
    from cachelayer.functions.quick import Quick

#: Seconds to wait for another caller's computation where `lock_timeout=` names none. It ends deadlocks of functions
#: that wait for each other; a computation that takes longer is run by its waiters too.
DEFAULT_LOCK_TIMEOUT: Final = 30.0

#: Outcomes whose time is that of reading what is stored.
_TIMED: Final = frozenset({Outcome.HIT, Outcome.STALE_HIT})

#: For a link: all of an entry's tags, whoever gave it them.
_ALL: Final = sys.maxsize


#: The arguments, each with its type, by which a shortcut may find the entry; None where they are not simple.
Place = tuple[Any, ...] | None


class CacheInfo(NamedTuple):
    """As `functools.lru_cache` gives it; `maxsize` and `currsize` are None where the store cannot tell."""

    hits: int
    misses: int
    maxsize: int | None
    currsize: int | None


class Binding:
    """A function's ties to one cache, made at its first use."""

    def __init__(self, core: FunctionCore, cache: Cache) -> None:
        self.cache = cache
        self.engine, self.clock = cache.engine, cache.clock
        self.counters = cache.functions.counters(core.label)
        # Workers on one store must agree on what they call a function that is made anew for each of them.
        self.identity = core.label if cache.backend.shared and core.is_local else core.identity
        self.own_tags = (*cache.own_tags, cache.function_tag(self.identity))
        self.policy = core.policy(cache)
        self.table: EntryTable | None = None
        if isinstance(cache.backend, InMemoryBackend):
            self.table = cache.backend.table
            self.table.count_hits_of(self.counters.shortcut_hits)
        #: Caching is switched off or paused: the function is called each time, and nothing is looked up.
        self.is_off = isinstance(cache.backend, NullBackend) or core.label in cache.paused


class FunctionCore:
    """One cached function. The wrapper that users hold is a thin skin over this.

    Args:
        function: what is cached.
        options: as `@cached` was told.
        choose: gives the cache, at first use.
    """

    def __init__(
        self, function: Callable[..., Any], options: FunctionOptions, choose: Callable[[], Cache]
    ) -> None:
        self.function, self.options = function, options
        #: What the engine calls: the function itself, or what runs the generator that it returns.
        self.origin: Callable[..., Any] = function
        self.freshness = options.freshness
        self.label = options.name or f"{function.__module__}.{function.__qualname__}"
        #: What is stored of a generator is the pair of its items and what it returned.
        self.is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if self.is_generator:
            options.check_generator(self.label)
        self.is_local = "<locals>" in self.label and options.name is None
        self.parameters = Parameters(function, self.label)
        self.python_name = _python_name(function)
        self.bind_call = make_binder(self.parameters, self.python_name)
        self.keys = KeyMaker(
            self.parameters,
            self.label,
            key=options.key,
            tags=options.tags,
            ignore=options.ignore,
            vary=options.vary,
        )
        #: Whether the first argument is the instance or class that the function is bound to.
        self.is_method = _is_written_in_class(function) and self.parameters.positional[:1] == ("self",)
        self.shortcut = Shortcut()
        #: How calls go that need no flow; None until it is known, and where they all need it.
        self.quick: Quick | None = None
        self._choose = choose
        self._binding: Binding | None = None
        #: What each cache had counted for this function when `cache_info` began.
        self._bases: weakref.WeakKeyDictionary[RouteCounters, RouteStats] = weakref.WeakKeyDictionary()
        #: Makes of the function's return annotation that of what is stored.
        self.annotation_of: Callable[[Any], Any] = lambda annotation: annotation
        self.on_bound: list[Callable[[Binding], None]] = []
        self._wrapper: Callable[[], Any] = lambda: None
        #: The same function with the same options, decorated once more for another cache.
        self.twins: weakref.WeakSet[FunctionCore] = weakref.WeakSet()
        self.identity = _define(self)

    # -- binding ----------------------------------------------------------------------------------------------

    def binding(self) -> Binding:
        """Return the ties to the cache, made now if this is the first use."""
        return self._binding or self._bind()

    def rebind(self) -> None:
        """Make the compiled hit path anew for what the cache is now."""
        with changing_cache:
            binding = self._binding
            if binding is None:
                return
            self.quick = None
            self._arm(binding)
            if binding.cache.listeners:
                self.drop_shortcuts()

    def unbind(self) -> None:
        """Be bound anew at the next use: another cache, or another store, has taken the place of this one."""
        with changing_cache:
            binding, self._binding, self.quick = self._binding, None, None
            # New ones, rather than emptied: a computation under way may still put its result into the old ones.
            self.shortcut = Shortcut()
            self.keys.receivers.renew()
            if binding is not None:
                self._arm(binding)

    def adopt(self, binding: Binding, quick: Quick) -> Quick:
        """Go this quick way from now on, if the function is still bound to what it was made for."""
        with changing_cache:
            if self._binding is binding and not binding.cache.listeners:
                self.quick = quick
        return quick

    def policy(self, cache: Cache) -> Policy:
        """Return how results are kept in `cache`."""
        options, ttl = self.options, cache.default_ttl if self.options.ttl is NOT_GIVEN else self.options.ttl
        return Policy(
            label=self.label,
            codec=ValueCodec(self._return_annotation, options.cache_exceptions, options.serializer),
            ttl=self._of_result(ttl) if callable(ttl) else ttl,
            condition=options.condition and self._of_result(options.condition),
            exceptions=options.cache_exceptions,
            negative_ttl=options.negative_ttl,
            lock_timeout=DEFAULT_LOCK_TIMEOUT if options.lock_timeout is None else options.lock_timeout,
            strict=options.strict,
            freshness=self.freshness,
            distributed=options.lock == DISTRIBUTED and cache.backend.shared,
            result_tags=partial(self._result_tags, cache) if self.keys.has_result_tags else None,
            on_refreshed=partial(_note_refresh, cache.functions.counters(self.label)),
        )

    def _of_result(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call` for what is stored: it is called with the result as users know it."""
        if not self.is_generator:
            return call

        def call_with_items(stored: Any, *args: Any, **kwargs: Any) -> Any:
            return call(stored[0], *args, **kwargs)

        return call_with_items

    def _result_tags(
        self, cache: Cache, stored: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[str, ...]:
        result = stored[0] if self.is_generator else stored
        return tuple(map(cache.tag_name, self.keys.result_tags(result, args, kwargs)))

    def _bind(self) -> Binding:
        while (binding := self._binding) is None:
            mine = self._make_binding()
            with changing_cache:
                # Of several threads that come first, one wins; and of two caches, the one that is in place by now.
                if self._binding is None and self._choose().engine is mine.engine:
                    mine.cache.tell_changes(self)
                    follow_default(self, self._choose)
                    self._arm(mine)
                    self._binding = mine
        return binding

    def _make_binding(self) -> Binding:
        cache = self._choose()
        if cache.backend.shared and self.is_local and not self.keys.custom:
            raise ConfigurationError(
                f"{self.label} is defined inside another function, so workers that share {cache.backend!r} cannot "
                f"agree on what to call it: give it name= or key="
            )
        cache.sealing.check(self.options.serializer, shared=cache.backend.shared, label=self.label)
        binding = Binding(self, cache)
        self._bases.setdefault(binding.counters, binding.counters.snapshot())
        return binding

    def _arm(self, binding: Binding) -> None:
        for tell in self.on_bound:
            tell(binding)

    def _return_annotation(self) -> Any:
        """Return the annotation of the result; None where there is none, or its names cannot be resolved."""
        try:
            annotation = typing.get_type_hints(self.function).get("return")
            return annotation if annotation is None else self.annotation_of(annotation)
        except (NameError, TypeError, AttributeError):
            return None

    def set_wrapper(self, wrapper: Any) -> None:
        """Note the wrapper that users hold, weakly: it holds this."""
        self._wrapper = weakref.ref(wrapper)

    def wrapper(self) -> Any:
        """Return the wrapper that users hold."""
        return self._wrapper()

    @property
    def is_plain(self) -> bool:
        """Whether every result is stored, for a constant time, with no tags: what `quick` is made for."""
        options, ttl = self.options, self.binding().policy.ttl
        constant = ttl is None or (isinstance(ttl, float) and ttl > 0)
        if not constant or self.freshness is not PLAIN:
            return False
        return not (options.condition or options.cache_exceptions or options.tags)

    def make_key_of(self, binding: Binding) -> Callable[[tuple[Any, ...], dict[str, Any]], str]:
        """Return what makes the key of a bound call, for a store that is not shared."""
        if self.keys.custom or binding.cache.namespace:
            return partial(self._key, binding)
        return self.keys.compile(binding.identity, method=self.is_method)

    # -- lookups ----------------------------------------------------------------------------------------------

    def lookup(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Lookup:
        """Return the lookup of a bound call; raises KeyingError."""
        return self._lookup(self.binding(), args, kwargs)

    def _lookup(self, binding: Binding, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Lookup:
        return Lookup(
            self._key(binding, args, kwargs),
            binding.own_tags + tuple(map(binding.cache.tag_name, self.keys.tags(args, kwargs))),
            binding.policy,
            self.origin,
            args,
            kwargs,
        )

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of a bound call."""
        return self._key(self.binding(), args, kwargs)

    def _key(self, binding: Binding, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if self.is_method and binding.cache.backend.shared and self.keys.takes_receiver:
            self._check_receiver(args[0])
        return binding.cache.key(self.keys.key(binding.identity, args, kwargs, method=self.is_method))

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any], place: Place = None) -> Flow[Result]:
        """Look a bound call up, compute it if need be, and count it."""
        self.sweep_receivers()
        binding = self.binding()
        if binding.is_off:
            return (yield from self._pass(binding, args, kwargs))
        lookup = self._lookup(binding, args, kwargs)
        began = time.perf_counter()
        result = yield from binding.engine.get_or_compute(lookup)
        self.count(binding, lookup.key, result, began)
        if binding.table is not None and isinstance(result.record, LocalEntry) and result.error is None:
            link = self.link_for(binding, args, place)
            if link is not None and not binding.cache.listeners:
                binding.table.link(result.record, link)
        return result

    def find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Result | None]:
        """Return what is served of what is stored for a bound call, counted; None, and nothing counted, else."""
        self.sweep_receivers()
        binding, lookup = self.binding(), self.lookup(args, kwargs)
        began = time.perf_counter()
        found = yield from binding.engine.serve(lookup)
        if found is not None:
            self.count(binding, lookup.key, found, began)
        return found

    def find_many(self, calls: Sequence[Call]) -> Flow[list[Result | None]]:
        """Do what `find` does for many bound calls, in one bulk read."""
        self.sweep_receivers()
        binding = self.binding()
        lookups = [self.lookup(*call) for call in calls]
        found = yield from binding.engine.find_many({lookup.key: lookup for lookup in lookups})
        results = [found.get(lookup.key) for lookup in lookups]
        for lookup, result in zip(lookups, results, strict=True):
            if result is not None:
                self.count(binding, lookup.key, result)
        return results

    # -- control ----------------------------------------------------------------------------------------------

    def invalidate(self, call: Call) -> Flow[bool]:
        """Remove one call's entry."""
        return self.binding().engine.remove(self.key_of(*call), self.label)

    def invalidate_all(self) -> Flow[int]:
        """Remove every entry of this function, in O(1)."""
        binding = self.binding()
        return binding.engine.invalidate_tags(binding.own_tags[-1:], label=self.label)

    def refresh(self, call: Call) -> Flow[Result]:
        """Compute one call and store it, whatever is stored."""
        if is_bypassed():
            return (yield from self._uncached(call))
        return (yield from self.binding().engine.refresh(self.lookup(*call)))

    def _uncached(self, call: Call) -> Flow[Result]:
        return Result(Outcome.BYPASS, (yield Compute(self.origin, *call)))

    def peek(self, call: Call, default: Any) -> Flow[Any]:
        """Return the stored value of one call; computes and counts nothing."""
        found = None
        if not is_bypassed():
            found = yield from self.binding().engine.peek(self.lookup(*call))
        return default if found is None else found.give()

    def set(self, value: Any, call: Call) -> Flow[bool]:
        """Store `value` as one call's result; whether it was stored."""
        return not is_bypassed() and (yield from self.binding().engine.set(self.lookup(*call), value))

    def stats(self) -> RouteStats:
        """Return how this label's lookups ended."""
        return self.binding().counters.snapshot()

    def info(self) -> CacheInfo:
        """Return hits and misses since the function was bound, or its last `cache_clear`."""
        binding = self.binding()
        now, base = binding.counters.snapshot(), self._bases[binding.counters]
        hits = now.served - base.served
        calls = now.requests - base.requests
        if binding.table is None:
            return CacheInfo(hits, calls - hits, None, None)
        count = binding.table.count_under(binding.own_tags[-1])
        return CacheInfo(hits, calls - hits, binding.table.max_entries, count)

    def forget_counts(self) -> None:
        """Let `info` start again from zero; the statistics go on."""
        counters = self.binding().counters
        self._bases[counters] = counters.snapshot()

    def drop_shortcuts(self) -> None:
        """Send every call the longer way once."""
        self.shortcut.clear()
        self.keys.receivers.clear()

    # -- inside -----------------------------------------------------------------------------------------------

    def _pass(self, binding: Binding, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Flow[Result]:
        """Call the function, and count that caching was off. No key is made, so that none can be wrong."""
        started = time.perf_counter()
        try:
            value, error = (yield Compute(self.origin, args, kwargs)), None
        except Exception as raised:  # noqa: BLE001 - whatever it raises is for its caller
            value, error = None, raised
        seconds = time.perf_counter() - started
        result = Result(Outcome.BYPASS, value, error, seconds=seconds, reason="disabled")
        self.count(binding, "", result)
        return result

    def count(self, binding: Binding, key: str, result: Result, began: float | None = None) -> None:
        """Count how a lookup ended, which began then by `perf_counter`, and tell the listeners."""
        counters, record, outcome = binding.counters, result.record, result.outcome
        seconds = result.seconds
        # In memory a hit comes this way only where it is the first of its kind: those that do not are timed.
        if began is not None and binding.table is None and outcome in _TIMED:
            seconds = time.perf_counter() - began
        if counters.record(outcome, seconds=seconds, reason=result.reason):
            age = binding.clock() - record.created if record is not None and outcome in SERVED else None
            counters.note_sample(outcome, key=key, seconds=seconds, reason=result.reason, age=age)
        if outcome is Outcome.MISS and record is not None:
            counters.note_store(stored_of(record))
        listeners = binding.cache.listeners
        if listeners:
            kind = EventKind.HIT if result.outcome in SERVED else EventKind.MISS
            listeners.emit(
                CacheEvent(
                    kind=kind,
                    route=self.label,
                    key=key,
                    outcome=result.outcome,
                    seconds=result.seconds,
                    reason=result.reason,
                )
            )

    def link_for(self, binding: Binding, args: tuple[Any, ...], place: Place) -> Link | None:
        """Return the link by which these very arguments may lead to their entry, None where they may not."""
        if place is None:
            return None
        shortcut = self.keys.receivers.shortcut(args[0]) if self.is_method else self.shortcut
        # Looked at after the shortcut: `unbind` lets go of the binding first, so this shortcut is not a later one's.
        if binding is not self._binding:
            return None
        # Where the hit path does not look at tags, the shortcut is emptied for each of them: a function that shares
        # its keys with this one may have given the entry more than this one has.
        watched = len(binding.own_tags) if self.options.tags else _ALL
        return None if shortcut is None else (shortcut, place, watched)

    def sweep_receivers(self) -> None:
        """Remove the entries of instances that are gone."""
        ended, table = self.keys.receivers.ended, self.binding().table
        while ended and table is not None:
            try:
                entries = list(ended.popleft().values())
            except IndexError:
                return  # Another thread took the last one.
            for entry in entries:
                table.discard(entry)

    def superseded(self) -> None:
        """Drop every entry: a function of the same name has taken this one's place."""
        for core in (self, *self.twins):
            if core._binding is not None:
                run(core.invalidate_all())

    def _check_receiver(self, receiver: Any) -> None:
        if not isinstance(receiver, type) and not has_cache_key(receiver):
            raise KeyingError(
                f"{self.label} is a method cached in a shared store, where instances of {type(receiver).__name__} "
                f"cannot be told apart: give the class a __cache_key__ method, or use key= with what identifies it"
            )


def _note_refresh(counters: RouteCounters, result: Result) -> None:
    counters.note_refresh(seconds=result.seconds, failed=result.outcome is Outcome.ERROR)
    if result.outcome is Outcome.MISS and result.record is not None:
        counters.note_store(stored_of(result.record))


_defined: weakref.WeakValueDictionary[str, FunctionCore] = weakref.WeakValueDictionary()
_named: dict[str, int] = {}


def _define(core: FunctionCore) -> str:
    """Return what tells this function from all others in this process, and from itself before a reload."""
    label = core.label
    before = _defined.get(label)
    if before is not None and before.function is core.function and before.options == core.options:
        # Processes agree on what it is called, whichever of its caches each of them uses first.
        before.twins.add(core)
        return before.identity
    _defined[label] = core
    if before is not None and _is_redefined(before.function, core.function):
        before.superseded()
    count = _named[label] = _named.get(label, 0) + 1
    # Counted for each label, so that workers which import the same modules agree.
    return label if count == 1 or core.options.name is not None else f"{label}~{count}"


def _is_redefined(before: Callable[..., Any], now: Callable[..., Any]) -> bool:
    """Whether `now` takes the place of `before`, rather than being another function that was given its name."""
    same = before.__module__ == now.__module__ and before.__qualname__ == now.__qualname__
    return same and "<locals>" not in now.__qualname__


def _is_written_in_class(function: Callable[..., Any]) -> bool:
    """Whether it stands in a class's body: what is above it, such as @property, may call it without binding it."""
    owner = function.__qualname__.rpartition(".")[0].rpartition(".")[2]
    return owner not in ("", "<locals>")


def _python_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() and not keyword.iskeyword(name) else "call"
