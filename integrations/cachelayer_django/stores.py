"""The stores that `CACHES` names: one for each location and its options in a process, whichever thread asks."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec
from django.conf import settings
from django.core.cache import InvalidCacheBackendError
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.resilience import OnError, resilient
from cachelayer.backends.url import backend_from_url
from cachelayer.counters import Counter
from cachelayer.durations import Duration
from cachelayer.errors import CacheLayerError, DecodingError, OptionTypeError
from cachelayer.forks import ProcessLock
from cachelayer.values.kinds import type_of
from cachelayer.values.sealing import Sealing
from cachelayer_django.values import PlainValues, SealedValues, Values, site_keys

logger = logging.getLogger("cachelayer_django.cache")

#: Options of Django's own cache in memory. CULL_FREQUENCY has no effect here: entries go one at a time.
_OF_LOCMEM: Final = ("CULL_FREQUENCY", "MAX_ENTRIES")
#: What `OPTIONS` may have.
OPTIONS: Final = ("COMPRESS", "DEADLINE", "ON_ERROR", "SIGNED", *_OF_LOCMEM)


class Address(msgspec.Struct, frozen=True):
    """A location with its options.

    Attributes:
        location: a URL, or a backend.
        signed: whether pickles in a shared store are signed, and others refused.
        compress: whether values from 1 KiB are compressed in a shared store.
        on_error: "open" or "raise", see `cachelayer.backends.resilience.ResilientBackend`.
        deadline: seconds for one operation of a shared store.
    """

    location: Any
    signed: Any = True
    compress: Any = True
    on_error: Any = "open"
    deadline: Any = None


class Store:
    """A store as all threads of this process use it.

    Args:
        backend: the store.
        address: how it is used.
        owned: whether it was made here, and is closed here.
    """

    def __init__(self, backend: CacheBackend, address: Address, *, owned: bool) -> None:
        self.origin, self.owned = backend, owned
        self.backend = _guarded(backend, address)
        self._address, self.closed = address, False
        self.values: Values = self._make_values()
        self._rejected = Counter()

    def renew_keys(self) -> None:
        """Sign by what `SECRET_KEY` is now."""
        self.values = self._make_values()

    def decode(self, key: str, data: bytes) -> tuple[bool, Any]:
        """Return whether bytes from the store are a value of the site, and that value."""
        try:
            return True, self.values.decode(key, data)
        except DecodingError as error:
            if not self._rejected.value:
                logger.warning("%r holds what is not this site's, which counts as not there: %s", key, error)
            self._rejected.tick()
            return False, None

    def _make_values(self) -> Values:
        if not self.backend.shared:
            return PlainValues()
        if type_of(self._address.signed) is not bool:
            raise OptionTypeError(f"SIGNED must be True or False, not {self._address.signed!r}")
        keys = site_keys() if self._address.signed else None
        return SealedValues(Sealing(keys, compress=self._address.compress))


def address_of(location: Any, options: Any) -> Address:
    """Return what `LOCATION` and `OPTIONS` of an entry of `CACHES` say.

    Raises:
        InvalidCacheBackendError: there is no such option.
    """
    given: dict[str, Any] = options
    if not isinstance(location, str | CacheBackend):
        raise InvalidCacheBackendError(
            f"{setting_of(location)}: LOCATION must be a URL such as 'redis://localhost', or a backend, "
            f"not {type(location).__name__}"
        )
    unknown = sorted(map(str, set(given) - set(OPTIONS)))
    if unknown:
        raise InvalidCacheBackendError(
            f"{setting_of(location)}: OPTIONS has {', '.join(unknown)}; it can have {', '.join(OPTIONS)}"
        )
    named = {name.lower(): value for name, value in given.items() if name not in _OF_LOCMEM}
    return Address(_bounded(location or "memory://", given.get("MAX_ENTRIES")), **named)


def store_at(address: Address) -> Store:
    """Return the store of this process at an address, made at first use.

    Raises:
        InvalidCacheBackendError: the location or an option cannot work.
    """
    try:
        return _stores[address]
    except KeyError:
        return _open(address)
    except TypeError as error:  # an option that cannot even be looked up, such as a list
        raise InvalidCacheBackendError(f"{setting_of(address.location)}: {error}") from error


def our_entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the alias and the settings of each entry of `CACHES` that is ours."""
    from cachelayer_django.cache import CacheLayerCache  # noqa: PLC0415 - which imports this

    for alias, given in cast("dict[str, dict[str, Any]]", settings.CACHES).items():
        try:
            backend = import_string(given.get("BACKEND", ""))
        except ImportError:
            continue  # Django says so itself.
        if isinstance(backend, type) and issubclass(backend, CacheLayerCache):
            yield alias, given


def our_stores() -> Iterator[tuple[str, Store]]:
    """Yield the alias and the store of each entry of `CACHES` that is ours."""
    for alias, given in our_entries():
        yield alias, store_of(given)


def store_of(given: dict[str, Any]) -> Store:
    """Return the store of an entry of `CACHES`, or raise InvalidCacheBackendError."""
    return store_at(address_of(given.get("LOCATION", ""), given.get("OPTIONS", {})))


def setting_of(location: Any) -> str:
    """Return which entry of `CACHES` names a location, for an error."""
    caches = cast("dict[str, Any]", settings.CACHES)
    aliases = [alias for alias, given in caches.items() if (given.get("LOCATION") or "memory://") == location]
    return f"CACHES[{aliases[0]!r}]" if len(aliases) == 1 else "CACHES"


def close_stores(*, of_others_too: bool = True) -> None:
    """Close every store that was opened here; the next use of a cache opens its own anew.

    Args:
        of_others_too: those in this process's memory as well, whose entries are lost.
    """
    with _lock:
        closing = {
            address: store
            for address, store in _stores.items()
            if store.owned and (of_others_too or store.backend.shared)
        }
        for address, store in closing.items():
            del _stores[address]
            store.closed = True
    for store in closing.values():
        store.backend.close()


_stores: Final[dict[Address, Store]] = {}
_lock: Final = ProcessLock()


def _open(address: Address) -> Store:
    with _lock:
        if address in _stores:
            return _stores[address]
        try:
            origin = _shared_origin(address)
            store = Store(origin or _make(address.location), address, owned=isinstance(address.location, str))
        except CacheLayerError as error:
            raise InvalidCacheBackendError(f"{setting_of(address.location)}: {error}") from error
        _stores[address] = store
        return store


def _shared_origin(address: Address) -> CacheBackend | None:
    """Return the backend of another cache at the same location, which differs in how it is used."""
    for other, store in _stores.items():
        if other.location == address.location:
            return store.origin
    return None


def _bounded(location: Any, bound: Any) -> Any:
    """Return the location with `MAX_ENTRIES` in it, as a store in memory has it."""
    if bound is None:
        return location
    if not isinstance(location, str) or not location.startswith("memory:"):
        raise InvalidCacheBackendError(
            f"{setting_of(location)}: MAX_ENTRIES in OPTIONS is for memory://; other stores take bounds in LOCATION"
        )
    url, mark, name = location.partition("#")
    return f"{url}{'&' if '?' in url else '?'}max_entries={bound}{mark}{name}"


def _make(location: CacheBackend | str) -> CacheBackend:
    return backend_from_url(location) if isinstance(location, str) else location


def _guarded(backend: CacheBackend, address: Address) -> CacheBackend:
    if not backend.shared:
        return backend
    on_error: OnError = address.on_error
    deadline: Duration = address.deadline
    return backend.guarded(lambda store: resilient(store, deadline=deadline, on_error=on_error))


def _forget(*, setting: str, **_: Any) -> None:
    """Go along with tests that change the settings."""
    if setting == "CACHES":
        # What is in memory stays, as it does with Django's own.
        close_stores(of_others_too=False)
    elif setting in {"SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        for store in list(_stores.values()):
            store.renew_keys()


setting_changed.connect(_forget)
atexit.register(close_stores)
