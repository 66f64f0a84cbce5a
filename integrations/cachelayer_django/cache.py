"""Django's cache API over any store of cachelayer.

    CACHES = {
        "default": {
            "BACKEND": "cachelayer_django.cache.CacheLayerCache",
            "LOCATION": "redis://localhost:6379/1",
        }
    }

`LOCATION` is the URL of any store; left out, it is this process's memory. Two caches with one location share a store,
as Django's own do: `memory://#sessions` is another one than `memory://`. `TIMEOUT`, `KEY_PREFIX`, `VERSION` and
`KEY_FUNCTION` are Django's. `OPTIONS` may have

    SIGNED      False: pickles in a shared store are neither signed nor verified (True)
    COMPRESS    False: values are not compressed in a shared store (True)
    ON_ERROR    "raise": a store that cannot be reached is an error (by default nothing is found there, nor stored)
    DEADLINE    seconds that one operation of a shared store may take
    MAX_ENTRIES bound of a store in memory
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, InvalidCacheKey

from cachelayer.backends.base import BOOKKEEPING
from cachelayer.backends.operate import Operate
from cachelayer.errors import UnsupportedOperationError
from cachelayer.flows import Flow, arun, run
from cachelayer.values.kinds import type_of
from cachelayer_django.stores import Store, address_of, store_at
from cachelayer_django.values import fits, parse_digits

#: Tries of a change that others make at the same time.
_TRIES: Final = 20

Timeout = float | None


class CacheLayerCache(BaseCache):
    """A backend for `CACHES`. Async methods are native: they hop to no thread, unless the store itself has to.

    Django makes one of these for each thread, and for each request under ASGI; the store is one for the process, and
    stays open until that ends.

    Args:
        location: `LOCATION`.
        params: the other settings.

    Raises:
        InvalidCacheBackendError: a setting cannot work.
    """

    def __init__(self, location: Any, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._address = address_of(location, params.get("OPTIONS", {}))
        # A setting that cannot work is found now, and not at the first request.
        self._held = store_at(self._address)

    @property
    def store(self) -> Store:
        """The process's store."""
        if self._held.closed:
            self._held = store_at(self._address)
        return self._held

    # -- keys and timeouts ------------------------------------------------------------------------------------

    def get_backend_timeout(self, timeout: Timeout = DEFAULT_TIMEOUT) -> Timeout:
        """Return how many seconds a store is to keep an entry: None for ever, 0 or less not at all."""
        return self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout

    def make_and_validate_key(self, key: Any, version: int | None = None) -> str:
        """Return the key in the store, with Django's warnings of what memcached would not take."""
        name = super().make_and_validate_key(key, version)
        if name.startswith(BOOKKEEPING):
            raise InvalidCacheKey(f"{name!r} begins like the keys by which cachelayer keeps its books")
        return name

    # -- one entry --------------------------------------------------------------------------------------------

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See `BaseCache.get`."""
        name, store = self.make_and_validate_key(key, version), self.store
        data = store.backend.get(name)
        if data is None:
            return default
        is_ours, value = store.decode(name, data)
        return value if is_ours else run(self._drop(name, default))

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """See `BaseCache.get`."""
        name, store = self.make_and_validate_key(key, version), self.store
        data = await store.backend.aget(name)
        if data is None:
            return default
        is_ours, value = store.decode(name, data)
        return value if is_ours else await arun(self._drop(name, default))

    def set(
        self, key: Any, value: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """See `BaseCache.set`."""
        run(self._set(key, value, timeout, version))

    async def aset(
        self, key: Any, value: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """See `BaseCache.set`."""
        await arun(self._set(key, value, timeout, version))

    def add(
        self, key: Any, value: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """See `BaseCache.add`; atomic where the store's `add` is."""
        return run(self._add(key, value, timeout, version))

    async def aadd(
        self, key: Any, value: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """See `BaseCache.add`."""
        return await arun(self._add(key, value, timeout, version))

    def touch(self, key: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """See `BaseCache.touch`."""
        return run(self._touch(key, timeout, version))

    async def atouch(self, key: Any, timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """See `BaseCache.touch`."""
        return await arun(self._touch(key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        """See `BaseCache.delete`."""
        return run(self._check("delete", key, version))

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        """See `BaseCache.delete`."""
        return await arun(self._check("delete", key, version))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """See `BaseCache.has_key`."""
        return run(self._check("exists", key, version))

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        """See `BaseCache.has_key`."""
        return await arun(self._check("exists", key, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """See `BaseCache.incr`; whole numbers are counted by the store itself, atomically, and keep their timeout."""
        return run(self._incr(key, delta, version))

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """See `BaseCache.incr`."""
        return await arun(self._incr(key, delta, version))

    # -- many -------------------------------------------------------------------------------------------------

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """See `BaseCache.get_many`; one question to the store."""
        return run(self._get_many(keys, version))

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """See `BaseCache.get_many`."""
        return await arun(self._get_many(keys, version))

    def set_many(
        self, data: Mapping[Any, Any], timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """See `BaseCache.set_many`; returns the keys that the store did not take."""
        return run(self._set_many(data, timeout, version))

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Timeout = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """See `BaseCache.set_many`."""
        return await arun(self._set_many(data, timeout, version))

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """See `BaseCache.delete_many`."""
        run(self._ask("delete_many", [self.make_and_validate_key(key, version) for key in keys]))

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """See `BaseCache.delete_many`."""
        await arun(self._ask("delete_many", [self.make_and_validate_key(key, version) for key in keys]))

    def clear(self) -> None:
        """Remove every entry of the store, whatever its prefix and version."""
        run(self._ask("clear"))

    async def aclear(self) -> None:
        """See `clear`."""
        await arun(self._ask("clear"))

    # -- its end ----------------------------------------------------------------------------------------------

    def close(self, **kwargs: Any) -> None:
        """Do nothing: Django calls this after each request, and the store's connections are for all of them.

        They are closed when the process ends, and those of an event loop when that one does; before it by
        `cachelayer_django.stores.close_stores`.
        """

    async def aclose(self, **kwargs: Any) -> None:
        """See `close`."""

    # -- inside: each once, for both colours ------------------------------------------------------------------

    def _ask(self, operation: str, *args: Any) -> Flow[Any]:
        return (yield Operate(self.store.backend, operation, args))

    def _check(self, operation: str, key: Any, version: int | None) -> Flow[bool]:
        name = self.make_and_validate_key(key, version)
        answer: bool = yield Operate(self.store.backend, operation, (name,))
        return answer

    def _drop(self, name: str, default: Any) -> Flow[Any]:
        """Remove what is not ours: else it would stand in the way of `add` for as long as it lives."""
        yield Operate(self.store.backend, "delete", (name,))
        return default

    def _set(self, key: Any, value: Any, timeout: Timeout, version: int | None) -> Flow[None]:
        name, store = self.make_and_validate_key(key, version), self.store
        data = store.values.encode(name, value)
        yield Operate(store.backend, "set", (name, data, self.get_backend_timeout(timeout)))

    def _add(self, key: Any, value: Any, timeout: Timeout, version: int | None) -> Flow[bool]:
        name, store = self.make_and_validate_key(key, version), self.store
        data, ttl = store.values.encode(name, value), self.get_backend_timeout(timeout)
        if ttl is not None and ttl <= 0:
            # Added, and expired at once.
            return not (yield Operate(store.backend, "exists", (name,)))
        added: bool = yield Operate(store.backend, "add", (name, data, ttl))
        return added

    def _touch(self, key: Any, timeout: Timeout, version: int | None) -> Flow[bool]:
        name, backend = self.make_and_validate_key(key, version), self.store.backend
        ttl = self.get_backend_timeout(timeout)
        touched: bool
        if ttl is not None and ttl <= 0:
            touched = yield Operate(backend, "delete", (name,))
            return touched
        try:
            touched = yield Operate(backend, "touch", (name, ttl))
        except UnsupportedOperationError:
            data = yield Operate(backend, "get", (name,))
            touched = data is not None and (yield Operate(backend, "set", (name, data, ttl)))
        return touched

    def _get_many(self, keys: Iterable[Any], version: int | None) -> Flow[dict[Any, Any]]:
        store, names = self.store, {self.make_and_validate_key(key, version): key for key in keys}
        found: dict[str, bytes] = yield Operate(store.backend, "get_many", (list(names),))
        values = {name: store.decode(name, data) for name, data in found.items()}
        if foreign := [name for name, (is_ours, _) in values.items() if not is_ours]:
            yield Operate(store.backend, "delete_many", (foreign,))
        return {names[name]: value for name, (is_ours, value) in values.items() if is_ours}

    def _set_many(self, data: Mapping[Any, Any], timeout: Timeout, version: int | None) -> Flow[list[Any]]:
        store, names = self.store, {self.make_and_validate_key(key, version): key for key in data}
        ttl = self.get_backend_timeout(timeout)
        items = {name: store.values.encode(name, data[key]) for name, key in names.items()}
        stored: int = yield Operate(store.backend, "set_many", (items, ttl))
        if stored == len(items) or (ttl is not None and ttl <= 0):
            return []
        there: dict[str, bytes] = yield Operate(store.backend, "get_many", (list(items),))
        return [key for name, key in names.items() if there.get(name) != items[name]]

    def _incr(self, key: Any, delta: int, version: int | None) -> Flow[int]:
        name, backend = self.make_and_validate_key(key, version), self.store.backend
        total: int
        try:
            entry = yield Operate(backend, "get_entry", (name,))
        except UnsupportedOperationError:
            total = yield from self._add_up(key, name, delta)
            return total
        if entry is None:
            raise _not_found(key)
        number = parse_digits(entry.value)
        if number is None or type_of(delta) is not int or not fits(number + delta):
            total = yield from self._exchange(key, name, delta)
            return total
        total = yield Operate(backend, "incr", (name, delta))
        if total == delta and entry.ttl_remaining is not None:
            # It may have expired meanwhile, and the store has begun one that lasts for ever.
            yield Operate(backend, "touch", (name, entry.ttl_remaining))
        return total

    def _exchange(self, key: Any, name: str, delta: Any) -> Flow[Any]:
        """Add to what the store cannot count, such as a float, unless somebody else has changed it meanwhile."""
        store = self.store
        for _ in range(_TRIES):
            entry = yield Operate(store.backend, "get_entry", (name,))
            if entry is None:
                break
            is_ours, value = store.decode(name, entry.value)
            if not is_ours:
                break
            data, expected = store.values.encode(name, value + delta), {name: entry.value}
            args = (name, data, expected, entry.ttl_remaining)
            if (yield Operate(store.backend, "compare_and_set", args)):
                return value + delta
        else:
            raise ValueError(f"Key '{key}' is changed all the time by others")
        raise _not_found(key)

    def _add_up(self, key: Any, name: str, delta: Any) -> Flow[Any]:
        """Do what `BaseCache.incr` does, in a store that can neither count nor tell how long an entry has."""
        store = self.store
        data = yield Operate(store.backend, "get", (name,))
        is_ours, value = (False, None) if data is None else store.decode(name, data)
        if not is_ours:
            raise _not_found(key)
        total = cast(Any, value) + delta
        yield Operate(store.backend, "set", (name, store.values.encode(name, total), self.default_timeout))
        return total


def _not_found(key: Any) -> ValueError:
    return ValueError(f"Key '{key}' not found")
