"""The options of one middleware, and its ties to the cache that it uses."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypedDict

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.null import NullBackend
from cachelayer.cache import Cache
from cachelayer.changes import changing_cache
from cachelayer.default import choose_cache, follow_default
from cachelayer.durations import Duration
from cachelayer.errors import OptionTypeError
from cachelayer.exchange.labels import ROUTE, UNLABELLED, Route, make_label
from cachelayer.exchange.lookup import Bound, Disabled
from cachelayer.exchange.shadow import Shadow, ShadowReport
from cachelayer.http import Policy
from cachelayer.stats import StatsSnapshot

logger = logging.getLogger("cachelayer.http")


class Options(TypedDict, total=False):
    """The further options of both middlewares: see `cachelayer.http.Policy`."""

    ignore_cookies: Iterable[str]
    session_cookies: Iterable[str]
    store_set_cookie: bool
    trusted_forwarding: bool
    trust_request_directives: bool
    targeted: Iterable[str]
    max_body_bytes: int
    heuristic_freshness: bool
    keep_stale: Duration
    collapse: bool
    collapse_timeout: Duration
    shadow: bool


def option_names() -> tuple[str, ...]:
    """Return the names of all options that a middleware takes."""
    policy = (field.name for field in dataclasses.fields(Policy) if field.init)
    return ("cache", "backend", "route", *policy)


class Caching:
    """The options of one middleware and, from its first request on, the cache it uses.

    Args:
        cache: where to store; None takes the process's default.
        backend: a backend or URL to store in, instead of `cache`.
        route: names the route of a request where the application itself does not.
        options: those of `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work.
        OptionTypeError: an option is unknown or has the wrong type.
    """

    def __init__(
        self,
        *,
        cache: Cache | None = None,
        backend: CacheBackend | str | None = None,
        route: Route | None = None,
        **options: Any,
    ) -> None:
        if route is not None and not callable(route):
            raise OptionTypeError(
                f"route must be a function that returns a route's label, or None, not {route!r}"
            )
        self.policy = _make_policy(options)
        self._choose = choose_cache(cache, backend)
        self._route = route
        #: What it has seen, where it only watches.
        self.shadow = Shadow() if self.policy.shadow else None
        #: The ties to the cache, once there are some.
        self.bound: Bound | None = None

    def bind(self) -> Bound:
        """Return the ties to the cache, made now if this is the first use."""
        while (bound := self.bound) is None:
            cache = self._choose()
            made = Disabled(self, cache) if isinstance(cache.backend, NullBackend) else Bound(self, cache)
            with changing_cache:
                # Of several threads that come first, one wins; and of two caches, the one that is in place by now.
                if self.bound is None and self._choose().engine.storage is made.storage:
                    cache.tell_changes(self)
                    cache.add_policy(self.policy)
                    follow_default(self, self._choose)
                    self.bound = made
        return bound

    def rebind(self) -> None:
        """Take notice of listeners: the cache calls this whenever there are new ones."""
        if (bound := self.bound) is not None:
            bound.rebind()

    def unbind(self) -> None:
        """Be bound anew at the next request: another cache, or store, has taken the place of this one."""
        self.bound = None

    def reopen(self, url: str) -> None:
        """Open the store anew at the next request: it is closed, because the application has shut down."""
        self._choose = functools.cache(lambda: Cache(url))
        self.unbind()

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted."""
        return self.bind().cache.stats()

    def shadow_report(self) -> ShadowReport:
        """Return what a middleware with `shadow=True` has seen.

        Raises:
            ConfigurationError: this one serves from the cache.
        """
        return Shadow.report_of(self.shadow)

    def label(self, method: str, env: Mapping[str, Any]) -> str:
        """Return the label of a request, now that the application has had the chance to name it."""
        try:
            named = env.get(ROUTE) or (None if self._route is None else self._route(env))
        except Exception:
            # No statistics are worth a response.
            logger.exception("route= failed; the request counts as %s", UNLABELLED)
            named = None
        return make_label(method, named) if isinstance(named, str) else UNLABELLED


class Shell:
    """What the middlewares of ASGI and WSGI have in common beside their options."""

    #: Names the route where `route=` does not say how; for integrations.
    default_route: ClassVar[Any] = None

    _caching: Caching

    def shadow_report(self) -> ShadowReport:
        """Return what a middleware with `shadow=True` has seen.

        Raises:
            ConfigurationError: this one serves from the cache.
        """
        return self._caching.shadow_report()

    def stats(self) -> StatsSnapshot:
        """Return what the cache counted: per route, per function, per backend."""
        return self._caching.stats()


def _make_policy(options: Mapping[str, Any]) -> Policy:
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise OptionTypeError(
            f"there is no option {', '.join(unknown)}; there are {', '.join(option_names())}"
        )
    return Policy(**options)
