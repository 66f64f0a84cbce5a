"""`CacheLayer.cached`: one function, cached for each application in that application's cache."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import cachelayer
from cachelayer import Cache


class AppFunction:
    """A cached function that uses the cache of the current application.

    It is called and controlled like any function under `cachelayer.cached`: `invalidate`, `stats`, `key_for` ...

    Args:
        function: what is cached.
        options: of `cachelayer.cached`.
        choose: returns the cache of the current application.
    """

    def __init__(
        self, function: Callable[..., Any], options: dict[str, Any], choose: Callable[[], Cache]
    ) -> None:
        self._options = options
        # So that mistakes show at the decorator. It is kept: those of the applications are called what it is called.
        self._first = self._decorate(function)
        functools.update_wrapper(self, self._first)
        self._function, self._choose = function, choose
        self._made: weakref.WeakKeyDictionary[Cache, Any] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the cached result, or call the function."""
        return self._here()(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an instance."""
        return self if instance is None else self._here().__get__(instance, owner)

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._here(), name)

    def _decorate(self, function: Any, **more: Any) -> Any:
        decorator: Any = cachelayer.cached(**self._options, **more)
        return decorator(function)

    def _here(self) -> Any:
        cache = self._choose()
        made: Any = self._made.get(cache)
        return self._make(cache) if made is None else made

    def _make(self, cache: Cache) -> Any:
        with self._lock:
            made = self._made.get(cache)
            if made is None:
                made = self._made[cache] = self._decorate(self._function, cache=cache)
                if "_owner" in vars(self):
                    made.__set_name__(*self._owner)
            return made
