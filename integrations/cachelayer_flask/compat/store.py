"""Values under keys of the user's: what `Cache.cache` is, with the methods that Flask-Caching's stores have."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from cachelayer import Cache
from cachelayer.backends.null import NullBackend
from cachelayer.errors import BackendError, CacheLayerError
from cachelayer.flow.flights import Flight
from cachelayer.flow.lookups import Lookup, Policy
from cachelayer.flows import run
from cachelayer_flask.compat.settings import Settings
from cachelayer_flask.compat.timeouts import Timeout, lifetime

#: Seconds that one may wait for another who counts under the same key.
_PATIENCE: Final = 5.0


class DeletionError(CacheLayerError, RuntimeError):
    """A value is still there after it was deleted."""


class Pending(msgspec.Struct, frozen=True):
    """What `get` and `set` are called for, while that is a decorated function.

    Attributes:
        key: as `get` and `set` are told it.
        tags: that the entry has, by the store's names.
        flight: the computation whose result is set, which an invalidation may have fenced off; None before it.
        seconds: what it took.
    """

    key: str
    tags: tuple[str, ...] = ()
    flight: Flight | None = None
    seconds: float = 0.0


_pending: ContextVar[Pending | None] = ContextVar("cachelayer_flask_pending", default=None)


@contextmanager
def pending(call: Pending) -> Generator[None]:
    """Within the block `get` and `set` of the call's key are the call's."""
    token = _pending.set(call)
    try:
        yield
    finally:
        _pending.reset(token)


class Store:
    """The values of one application under one `Cache`.

    Args:
        layer: the cache underneath.
        settings: those of the application.
    """

    def __init__(self, layer: Cache, settings: Settings) -> None:
        self.layer, self.default_timeout = layer, settings.default_timeout
        self.ignores_errors = settings.ignore_errors
        self.is_off = isinstance(layer.backend, NullBackend)
        self.codec = settings.codec

    def __repr__(self) -> str:
        return f"<Store over {self.layer.backend!r}>"

    # -- one value --------------------------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        """Return the value, None where there is none."""
        found = None if self.is_off else run(self.layer.engine.find(self._lookup(key)))
        return None if found is None else found.value

    def has(self, key: str) -> bool:
        """Whether there is a value, None included."""
        return not self.is_off and run(self.layer.engine.peek(self._lookup(key))) is not None

    def set(self, key: str, value: Any, timeout: Timeout = None) -> bool:
        """Store a value; whether it is stored.

        Args:
            key: any text.
            value: anything that can be pickled; for a shared store without SECRET_KEY plain values and responses.
            timeout: seconds or a timedelta; None takes the default, 0 is for ever.

        Raises:
            EncodingError: it cannot be stored.
        """
        if self.is_off:
            return True
        lookup, call, engine = self._lookup(key, timeout), _pending.get(), self.layer.engine
        if call is None or call.key != key or call.flight is None:
            return run(engine.set(lookup, value))
        result = run(engine.finish(lookup, call.flight, value, call.seconds))
        if result.error is not None:
            raise result.error
        return result.record is not None

    def add(self, key: str, value: Any, timeout: Timeout = None) -> bool:
        """Store a value if there is none; whether it was stored."""
        if self.is_off:
            return True
        try:
            with self._alone(key):
                return not self.has(key) and self.set(key, value, timeout)
        except BackendError:
            return False

    def delete(self, key: str) -> bool:
        """Remove a value; whether it was there. One that is being computed will not be stored."""
        return self.is_off or run(self.layer.engine.remove(self._key(key), ""))

    def inc(self, key: str, delta: int = 1) -> int | None:
        """Add to a number, which begins at 0, and return it; None where the store fails.

        Its lifetime begins anew, with the default timeout.
        """
        if self.is_off:
            return delta
        try:
            with self._alone(key):
                total: int = (self.get(key) or 0) + delta
                return total if self.set(key, total) else None
        except BackendError:
            return None

    def dec(self, key: str, delta: int = 1) -> int | None:
        """Subtract from a number: see `inc`."""
        return self.inc(key, -delta)

    # -- many -------------------------------------------------------------------------------------------------

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values of keys in their order, None for each that is not there, in one bulk read."""
        if self.is_off:
            return [None] * len(keys)
        lookups = {self._key(key): self._lookup(key) for key in keys}
        found = run(self.layer.engine.find_many(lookups))
        return [None if (result := found.get(self._key(key))) is None else result.value for key in keys]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        """Return the values by their keys, None for each that is not there."""
        return dict(zip(keys, self.get_many(*keys), strict=True))

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout = None) -> list[str]:
        """Store values; return the keys of those that are stored."""
        return [key for key, value in mapping.items() if self.set(key, value, timeout)]

    def delete_many(self, *keys: str) -> list[str]:
        """Remove values; return the keys that are gone.

        Raises:
            DeletionError: one is still there, unless CACHE_IGNORE_ERRORS is set.
        """
        gone = [key for key in keys if self.delete(key) or not self.has(key)]
        left = sorted(set(keys).difference(gone))
        if left and not self.ignores_errors:
            raise DeletionError(
                f"could not delete {', '.join(left)}; CACHE_IGNORE_ERRORS = True leaves it at that"
            )
        return gone

    unlink = delete_many

    def clear(self) -> bool:
        """Remove everything under this application's prefix."""
        self.layer.clear()
        return True

    # -- for what is decorated --------------------------------------------------------------------------------

    def lookup(self, key: str, tags: Iterable[str] = (), *, label: str = "", compute: Any = None) -> Lookup:
        """Return the lookup of a key, the call of which computes it and stores it by itself."""
        policy = Policy(label, self.codec, condition=_never, lock_timeout=30.0)
        return Lookup(self._key(key), self._tags(tags), policy, compute, (), {})

    def _lookup(self, key: str, timeout: Timeout = None) -> Lookup:
        call = _pending.get()
        tags = call.tags if call is not None and call.key == key else ()
        policy = Policy("", self.codec, lifetime(timeout, self.default_timeout), strict=True)
        return Lookup(self._key(key), self._tags(tags), policy, _nothing, (), {})

    def _key(self, key: str) -> str:
        return self.layer.key(str(key))

    def _tags(self, tags: Iterable[str]) -> tuple[str, ...]:
        return self.layer.tag_names(tuple(tags))

    @contextmanager
    def _alone(self, key: str) -> Generator[None]:
        lock = self.layer.backend.lock(f"flask:{key}", lease=_PATIENCE)
        if not lock.acquire(_PATIENCE):
            raise BackendError(f"others have kept {key!r} for {_PATIENCE:g} s")
        try:
            yield
        finally:
            lock.release()


def _never(value: Any) -> bool:
    """Leave storing to `Cache.set`, which a subclass may have made its own."""
    return False


def _nothing() -> None:
    """Stand for a computation where there is none."""
