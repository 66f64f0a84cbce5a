"""One wrapper around any store: its failures cost little, and lose no invalidation."""

from __future__ import annotations

import time
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, Literal, Self

from cachelayer.backends.base import CacheBackend, CacheStats
from cachelayer.backends.connected import ConnectedBackend
from cachelayer.backends.resilience.breaker import Monotonic, State
from cachelayer.backends.resilience.core import MISTAKES, Core, Health
from cachelayer.backends.resilience.limits import Limited, Limits
from cachelayer.backends.resilience.operations import INSTEAD, REPLAY, Args, is_idle
from cachelayer.backends.twofold import TwofoldBackend
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import BackendError, ConfigurationError, OptionTypeError
from cachelayer.flows import Flow, arun, run
from cachelayer.forks import ProcessLock

OnError = Literal["open", "raise"]

FAILURES: Final = 3
PROBE_INTERVAL: Final = 1.0
REPLAY_LIMIT: Final = 10_000


class ResilientBackend(TwofoldBackend):
    """Any store, with a deadline for each operation, a circuit breaker, and a memory for what it has missed.

    After some failures in a row the store is left alone, and operations fail at once. From time to time one caller
    tries it again. Deletes and invalidations that failed, and a delete for each write that failed, are done before it
    is asked anything else: nobody here is given what was invalidated while it was away.

    A `Cache` wraps what other processes share by itself, so this is for other uses, and for options.

    Args:
        inner: the store.
        deadline: seconds for one operation: in async code always; in sync code if the store has no `timeout` of its
            own, and only if given, since each call then goes through a thread. None takes the store's timeout, or 0.5.
            Each further thousand keys of an operation add another one.
        on_error: "open": a failed read finds nothing, a failed write stores nothing, `incr` and `keys` raise
            BackendError. "raise": every operation does.
        failures: how many in a row it takes.
        probe_interval: seconds until the first try; the pauses after failed ones double, up to 10 seconds.
        replay_limit: how many missed invalidations are kept; beyond it, one `clear` takes their place.
        background: bring what was missed from a thread, once the store is back, also where nobody asks it anything.
        clock: returns monotonic seconds.

    Raises:
        ConfigurationError: an option cannot work.
        OptionTypeError: `inner` is no backend.
    """

    tells_when_away = True

    def __init__(
        self,
        inner: CacheBackend,
        *,
        deadline: Duration = None,
        on_error: OnError = "open",
        failures: int = FAILURES,
        probe_interval: Duration = PROBE_INTERVAL,
        replay_limit: int = REPLAY_LIMIT,
        background: bool = True,
        clock: Monotonic = time.monotonic,
    ) -> None:
        if not isinstance(inner, CacheBackend):
            raise OptionTypeError(f"inner must be a CacheBackend, not {type(inner).__name__}: {inner!r}")
        if failures < 1 or replay_limit < 1:
            raise ConfigurationError(
                f"failures={failures}, replay_limit={replay_limit}: each must be 1 or more"
            )
        core = Core(
            inner,
            failures=failures,
            probe_interval=_seconds(probe_interval, "probe_interval") or PROBE_INTERVAL,
            replay_limit=replay_limit,
            background=background,
            clock=clock,
        )
        self._set_up(core, _seconds(deadline, "deadline"), on_error)

    def _set_up(self, core: Core, deadline: float | None, on_error: OnError) -> None:
        if on_error not in {"open", "raise"}:
            raise ConfigurationError(f"on_error={on_error!r}: it is 'open' or 'raise'")
        self.core, self._deadline = core, deadline
        self.on_error: OnError = on_error
        self._limits = Limits(core.inner, deadline, core.pool)
        self.inner = core.inner
        self.timeout = self._limits.deadline if self._limits.in_threads else core.inner.timeout
        # Set past the type, which knows it as the class's: a wrapper is as shared as what it wraps.
        vars(self)["shared"] = core.inner.shared
        if (clock := getattr(core.inner, "clock", None)) is not None:
            self.clock = clock

    def __repr__(self) -> str:
        return f"<ResilientBackend {self.core.breaker.state} over {self.inner!r}>"

    def view(self, *, deadline: Duration = None, on_error: OnError | None = None) -> Self:
        """Return a wrapper of the same store with other options, that shares all it knows of the store with this.

        Args:
            deadline: as above; None takes this one's.
            on_error: as above; None takes this one's.
        """
        return self.over(
            self.core, self._deadline if deadline is None else deadline, on_error or self.on_error
        )

    @classmethod
    def over(cls, core: Core, deadline: Duration, on_error: OnError) -> Self:
        """Return a wrapper of the store that `core` asks."""
        made = cls.__new__(cls)
        made._set_up(core, _seconds(deadline, "deadline"), on_error)
        return made

    def health(self) -> Health:
        """Return how the store has been doing; asks it nothing."""
        return self.core.health()

    # -- operations -------------------------------------------------------------------------------------------

    def flow(self, operation: str, *args: Any) -> Flow[Any]:
        """Return the flow of one operation."""
        if operation == "get_stats":
            return self._stats()
        if operation == "diagnose":
            return self._diagnosis()
        if self.on_error == "raise" or operation not in INSTEAD:
            return self.core.ask(self._limits, operation, args)
        return self._ask_or_do_without(operation, args)

    def soften_generations(self, names: Iterable[str]) -> None:
        """Give each name a generation under which what is stored is stale; where that fails it will be dead."""
        run(self.flow("soften_generations", list(names)))

    async def asoften_generations(self, names: Iterable[str]) -> None:
        """Async twin of `soften_generations`."""
        await arun(self.flow("soften_generations", list(names)))

    def scan(self, pattern: str | None = None) -> Iterator[str]:
        """Iterate over the keys without holding them all; each round trip has the store's own time limit."""
        with self.core.asking("scan", (pattern,)):
            run(self.core.make_good(self._limits, "scan", (pattern,)))
            yield from self.inner.scan(pattern)

    async def ascan(self, pattern: str | None = None) -> AsyncIterator[str]:
        """Async twin of `scan`."""
        with self.core.asking("scan", (pattern,)):
            await arun(self.core.make_good(self._limits, "scan", (pattern,)))
            async for key in self.inner.ascan(pattern):
                yield key

    def close(self) -> None:
        """Do what the store has missed, if it can be reached now, and close it."""
        run(self._farewell())
        self.inner.close()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        await arun(self._farewell())
        await self.inner.aclose()

    # -- inside -----------------------------------------------------------------------------------------------

    def _ask_or_do_without(self, operation: str, args: Args) -> Flow[Any]:
        core = self.core
        if is_idle(operation, args):
            return core.do_without(operation, args)
        ticket = core.breaker.admit()
        if ticket is None:
            core.refuse(operation, args)
        else:
            try:
                return (yield from core.try_it(ticket, self._limits, operation, args))
            except BackendError:
                pass
        core.swallowed.tick()
        return INSTEAD[operation](args)

    def _stats(self) -> Flow[CacheStats]:
        # Past the breaker: many stores count by themselves, so that an answer does not say whether they are there.
        try:
            if self.core.breaker.state is State.CLOSED:
                found: CacheStats = yield Limited(self._limits, "get_stats", ())
                return found
        except MISTAKES:
            raise
        except Exception as error:
            if self.on_error == "raise":
                raise BackendError(f"{type(self.inner).__name__} gives no statistics: {error!r}") from error
        if isinstance(self.inner, ConnectedBackend):
            return self.inner.counters.snapshot()
        return CacheStats(None, None, None, None, None, None, None, None)

    def _diagnosis(self) -> Flow[list[str]]:
        # Past the breaker: who asks what is wrong wants to know how the store is now.
        try:
            found: list[str] = yield Limited(self._limits, "diagnose", ())
        except MISTAKES:
            raise
        except Exception as error:  # noqa: BLE001 - that is what is wrong with it
            return [f"{type(self.inner).__name__} does not answer: {error!r}"]
        return found

    def _farewell(self) -> Flow[None]:
        core = self.core
        if core.pending.count and not core.closed:
            try:
                yield from core.make_good(self._limits, REPLAY, ())
            except Exception as error:  # noqa: BLE001 - it cannot be reached, and that is no reason not to close
                core.lose(error)
        core.closed = True


def resilient(
    backend: CacheBackend, *, deadline: Duration = None, on_error: OnError | None = None
) -> ResilientBackend:
    """Return a resilient wrapper of `backend`: all who ask for one share what is known of the store.

    Args:
        backend: any store; a view of it, if it is such a wrapper already.
        deadline: see `ResilientBackend`.
        on_error: see `ResilientBackend`; None is "open".
    """
    if isinstance(backend, ResilientBackend):
        return backend.view(deadline=deadline, on_error=on_error)
    with _lock:
        # A core keeps its store alive, so that nothing else can have the id.
        core = _cores.get(id(backend))
        if core is None:
            made = ResilientBackend(backend)
            core = _cores[id(backend)] = made.core
    return ResilientBackend.over(core, deadline, on_error or "open")


_lock = ProcessLock()
_cores: weakref.WeakValueDictionary[int, Core] = weakref.WeakValueDictionary()


def _seconds(value: Duration, name: str) -> float | None:
    seconds = parse_duration(value, name=name)
    if seconds == 0:
        raise ConfigurationError(f"{name}={value!r}: it must be above 0 seconds")
    return seconds
