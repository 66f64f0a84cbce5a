"""The process's default cache, and the caches of those who name a backend: which cache an option means."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from cachelayer.backends.base import CacheBackend
from cachelayer.cache import Cache, over_another_store
from cachelayer.changes import User, changing_cache, unbound
from cachelayer.errors import ConfigurationError, OptionTypeError

#: The environment variable that names the default cache's backend by URL.
URL_VARIABLE: Final = "CACHELAYER_URL"

_default: Cache | None = None
_used = False
#: Puts a new default cache over another store at once; None but in `default_over_another_store`.
_instead: Callable[[Cache], object] | None = None
#: Those that named no cache and are bound to the default.
_followers: weakref.WeakSet[User] = weakref.WeakSet()
#: The caches of those who named a backend, by its id.
_over: weakref.WeakValueDictionary[int, Cache] = weakref.WeakValueDictionary()


def configure(
    backend_or_url: CacheBackend | str | None = None, *, replace: bool = False, **options: Any
) -> Cache:
    """Make the cache that functions and middlewares use when they name none.

    Args:
        backend_or_url: the store; None takes the environment's `CACHELAYER_URL`, else memory.
        replace: allow it although the default cache has been used: those who use it go over to the new one with
            their next call. What is under way ends in the old one.
        options: as `Cache` takes them.

    Raises:
        ConfigurationError: the default cache is in use, or an option cannot work.
    """
    global _default, _used
    with changing_cache:
        if _used and not replace:
            raise ConfigurationError(
                "the default cache is in use already: call configure() before anything is cached, or pass replace=True"
            )
        made = Cache(backend_or_url or os.environ.get(URL_VARIABLE), **options)
        if _instead is not None:
            _instead(made)
        with unbound(_followers):
            _default, _used = made, False
        return made


def default_cache() -> Cache:
    """Return the process's default cache, made at first use from `CACHELAYER_URL`, or in memory."""
    global _default, _used  # noqa: PLW0603 - the process's one default
    with changing_cache:
        if _default is None:
            _default = Cache(os.environ.get(URL_VARIABLE) or None)
        _used = True
        return _default


def choose_cache(cache: Cache | None, backend: CacheBackend | str | None) -> Callable[[], Cache]:
    """Return what gives the cache for these two options, at first use.

    Raises:
        ConfigurationError: both are given.
        OptionTypeError: either is of the wrong type.
    """
    if cache is not None and backend is not None:
        raise ConfigurationError("cache= and backend= exclude each other: pass Cache(backend) as cache=")
    if cache is not None:
        if not isinstance(cache, Cache):
            raise OptionTypeError(
                f"cache must be a Cache, not {type(cache).__name__}: pass stores as backend="
            )
        return lambda: cache
    if backend is not None:
        made = cache_over(backend)
        return lambda: made
    return default_cache


def cache_over(backend: CacheBackend | str) -> Cache:
    """Return the cache that all who name this very backend share, so that they count together."""
    if isinstance(backend, str):
        return Cache(backend)
    # The cache keeps the backend alive, also while another one stands in for it: nothing else can have its id.
    made = _over.get(id(backend))
    if made is None:
        made = _over[id(backend)] = Cache(backend)
    return made


def follow_default(user: User, choose: Callable[[], Cache]) -> None:
    """Let `user` be unbound when the default cache is exchanged, if that is what it chose; held weakly."""
    if choose is default_cache:
        _followers.add(user)


@contextmanager
def default_over_another_store(backend: CacheBackend) -> Generator[Cache]:
    """Let the process's default cache be over `backend` until the end of the block, and a later one's too.

    A default that `configure()` makes in the block is over `backend` at once, and over its own store after the
    block. It stays the default if there was none before the block; else the former one is back.
    """
    global _default, _used, _instead  # noqa: PLW0603 - the process's one default
    with ExitStack() as stack:
        with changing_cache:
            former, was_used, outer = _default, _used, _instead
            if former is None:
                mine = _default = Cache(backend)
            else:
                mine = stack.enter_context(over_another_store(former, backend))
            _instead = lambda made: stack.enter_context(over_another_store(made, backend))  # noqa: E731
            _used = False
        try:
            yield mine
        finally:
            with changing_cache, unbound(_followers):
                _instead = outer
                if former is not None or _default is mine:
                    _default, _used = former, was_used
