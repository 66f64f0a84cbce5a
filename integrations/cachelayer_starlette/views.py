"""`cached_view`: one view, cached behind its dependencies."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict, TypeVar, Unpack, overload

from starlette.requests import Request

from cachelayer import Cache, asgi
from cachelayer.backends.base import CacheBackend
from cachelayer.control import keep_within
from cachelayer.durations import Duration
from cachelayer.errors import DecodingError, OptionTypeError
from cachelayer.exchange import Caching, Exchange
from cachelayer.flow.steps import Compute
from cachelayer.flows import Flow, arun, run
from cachelayer.http import Answer, Reason, Rule
from cachelayer.http import Request as Asked
from cachelayer.http.keys import CREDENTIAL_FIELDS
from cachelayer_starlette.answers import Around, codec_of, is_stream, response_of
from cachelayer_starlette.arguments import Arguments, Call
from cachelayer_starlette.around import cache_around
from cachelayer_starlette.labels import route_label
from cachelayer_starlette.tags import PathTags
from cachelayer_starlette.values import ViewValues
from cachelayer_starlette.visits import Visit, is_modified, status_of

logger = logging.getLogger("cachelayer.http")

View = TypeVar("View", bound=Callable[..., Any])

#: A field that no client sends and no view sees: it has the engine keep views apart from pages, and from each other.
_FIELD: Final = b"cachelayer-view"
#: In that field: this request is not looked up.
_PASS: Final = b"pass"
#: Fields that say who the client is.
_WHO: Final = frozenset({b"authorization", b"cookie"}) | CREDENTIAL_FIELDS
#: Fields that ask for less than the whole page.
_PARTS: Final = frozenset({b"range", b"if-match", b"if-unmodified-since"})


class ViewOptions(TypedDict, total=False):
    """The further options of `cached_view`: see `cachelayer.Rule`, and the last ones `cachelayer.http.Policy`."""

    client_ttl: Duration
    override: bool
    status: Mapping[int, Duration]
    stale_if_error: Duration
    ignore_query: Iterable[str]
    only_query: Iterable[str] | None
    sort_query: bool
    vary: Iterable[str]
    cookies: Iterable[str] | None
    strip_cookies: Iterable[str]
    min_uses: int
    collapse: bool
    collapse_timeout: Duration
    cache_status: str | None
    ignore_cookies: Iterable[str]
    session_cookies: Iterable[str]
    trust_request_directives: bool
    trusted_forwarding: bool
    max_body_bytes: int


#: Those of them that rules do not have.
_OF_POLICY: Final = frozenset(
    {
        "cache_status",
        "collapse_timeout",
        "ignore_cookies",
        "session_cookies",
        "trust_request_directives",
        "trusted_forwarding",
        "max_body_bytes",
    }
)


@overload
def cached_view(view: View, /) -> View: ...
@overload
def cached_view(
    *,
    ttl: Duration = None,
    tags: Iterable[str] = (),
    ignore: Iterable[str] = (),
    shared: bool = False,
    bypass: Callable[[Request], bool] | None = None,
    cache: Cache | None = None,
    backend: CacheBackend | str | None = None,
    **options: Unpack[ViewOptions],
) -> Callable[[View], View]: ...
def cached_view(
    view: Any = None,
    /,
    *,
    ttl: Duration = None,
    tags: Iterable[str] = (),
    ignore: Iterable[str] = (),
    shared: bool = False,
    bypass: Callable[[Request], bool] | None = None,
    cache: Cache | None = None,
    backend: CacheBackend | str | None = None,
    **options: Unpack[ViewOptions],
) -> Any:
    """Cache what a view of Starlette's or FastAPI's answers to GET, and to HEAD by what GET has stored.

    It is put on the function, below the route's decorator. Dependencies run before it, security included, on hits as on
    misses. It is called without caching where no request is among its arguments, as in a test of the function.

    Args:
        view: the function, sync or async.
        ttl: how long a response without freshness of its own is fresh: seconds, `timedelta`, or "2h5m".
        tags: groups for invalidation, with parameters of the path and arguments: ("user:{id}",).
        ignore: parameters on which the response does not depend, such as a database session. All others that FastAPI
            fills in are part of the key beside the URL, those that dependencies return too.
        shared: the response depends on nothing but the URL, the arguments and the fields that Vary lists: requests
            with Authorization, session cookies or a logged-in user are answered from the cache as well.
        bypass: tells which requests are not looked up.
        cache: where to store. Default: what the middleware around the application uses, else the process's default.
        backend: a backend or URL to store in, instead of `cache`.
        options: further ones of `cachelayer.Rule` and `cachelayer.http.Policy`.

    Raises:
        ConfigurationError: an option cannot work (a ValueError).
        OptionTypeError: an option is unknown or has the wrong type (a TypeError).

    Example:
        >>> from fastapi import FastAPI
        >>> app = FastAPI()
        >>> @app.get("/users/{id}")
        ... @cached_view(ttl=60, tags=["user:{id}"])
        ... def user(id: int) -> dict[str, int]:
        ...     return {"id": id}
    """

    def decorate(function: View) -> View:
        made = CachedView(
            function, ttl=ttl, tags=tags, ignore=ignore, shared=shared, bypass=bypass, cache=cache, backend=backend,
            options=options,
        )  # fmt: skip
        wrapper: View = made.wrapper()
        return wrapper

    return decorate if view is None else decorate(view)


class CachedView:
    """One view under `cached_view`."""

    def __init__(
        self,
        function: Any,
        *,
        ttl: Duration,
        tags: Iterable[str],
        ignore: Iterable[str],
        shared: bool,
        bypass: Callable[[Request], bool] | None,
        cache: Cache | None,
        backend: CacheBackend | str | None,
        options: ViewOptions,
    ) -> None:
        if not callable(function) or isinstance(function, type):
            raise OptionTypeError(f"cached_view goes on a function, not on {function!r}")
        if not isinstance(shared, bool):
            raise OptionTypeError(f"shared must be True or False, not {shared!r}")
        if bypass is not None and not callable(bypass):
            raise OptionTypeError(f"bypass must be a function of the request, not {bypass!r}")
        self._function: Any = function
        self._shared, self._bypass = shared, bypass
        self.label = f"{function.__module__}.{function.__qualname__}"
        self._arguments = Arguments(function, self.label, ignore)
        self._tags = PathTags(tags, f"tags= of {self.label}")
        self._values = ViewValues(self.label, self._arguments.returns)
        self._policy = _options(self.label, ttl, options)
        self._named = cache is not None or backend is not None
        self._caching = Caching(cache=cache, backend=backend, route=route_label, **self._policy)
        self._is_async = inspect.iscoroutinefunction(function)
        #: Whether it answers by streams. In a thread nobody waits for one: who does may hold the thread that it needs.
        self._streams = is_stream(self._arguments.returns)
        #: The cache of the middleware around the last call, and the options over it.
        self._under: tuple[Cache, Caching] | None = None

    def wrapper(self) -> Any:
        """Return what stands in place of the function."""
        wrapper: Any = (
            self._async_wrapper() if inspect.iscoroutinefunction(self._function) else self._sync_wrapper()
        )
        functools.update_wrapper(wrapper, self._function)
        wrapper.__signature__ = self._arguments.signature
        return wrapper

    def _sync_wrapper(self) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            call = self._arguments.of(args, kwargs)
            if call is None or not self._is_cached(call):
                return self._function(*args, **(kwargs if call is None else call.kwargs))
            return run(self._serve(self._caching_for(call), call, waits=not self._streams))

        return wrapper

    def _async_wrapper(self) -> Callable[..., Any]:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            call = self._arguments.of(args, kwargs)
            if call is None or not self._is_cached(call):
                return await self._function(*args, **(kwargs if call is None else call.kwargs))
            caching, waits = self._caching_for(call), asgi.driver() is arun
            if not waits and not caching.bind().local:
                return await self._function(*args, **call.kwargs)  # The store's clients are asyncio's.
            return await arun(self._serve(caching, call, waits=waits))

        return wrapper

    # -- requests -------------------------------------------------------------------------------------------------

    @staticmethod
    def _is_cached(call: Call) -> bool:
        """Whether this is a request that is looked up: FastAPI makes a body of a value only where there is one."""
        return call.request.method == "GET" or (call.request.method == "HEAD" and call.response is None)

    def _caching_for(self, call: Call) -> Caching:
        """Return the options over the cache that this call uses."""
        around = None if self._named else cache_around(call.request.scope)
        if around is None:
            return self._caching
        last = self._under
        if last is None or last[0] is not around:
            last = self._under = around, Caching(cache=around, route=route_label, **self._policy)
        return last[1]

    def _asked(self, call: Call) -> Asked:
        """Return the request as the engine is to see it."""
        scope, what = call.request.scope, _PASS if self._passes(call.request) else self._arguments.key(call)
        hidden = _WHO if self._shared else frozenset[bytes]()
        fields = [field for field in scope["headers"] if field[0] not in hidden and field[0] != _FIELD]
        return asgi.request_of({**scope, "headers": [*fields, (_FIELD, what)]})

    def _passes(self, request: Request) -> bool:
        """Whether a request is not looked up."""
        if any(name in _PARTS for name, _ in request.scope["headers"]):
            return True
        if not self._shared and getattr(request.scope.get("user"), "is_authenticated", False):
            return True
        try:
            return self._bypass is not None and bool(self._bypass(request))
        except Exception:
            # The view's answer matters more than a mistake in what was to speed it up.
            logger.exception("bypass= of %s failed; the request is not looked up", self.label)
            return True

    # -- one request ----------------------------------------------------------------------------------------------

    def _serve(self, caching: Caching, call: Call, *, waits: bool) -> Flow[Any]:
        bound, asked = caching.bind(), self._asked(call)
        keep_within(bound.cache)
        if bound.local:
            found = bound.find_here(asked, behind=False)
        else:
            found = yield from bound.find(asked, behind=False)
        if isinstance(found, Exchange):
            return (yield from Visit(self, found, call).run(waits=waits))
        if isinstance(found, Answer):
            return (yield from self.revive(found, call, local=bound.local))
        raise AssertionError("nothing is refreshed behind a view")

    def revive(self, answer: Answer, call: Call, *, local: bool) -> Flow[Any]:
        """Return an answer of the cache as the view's own."""
        codec = codec_of(answer)
        if codec is None or call.response is None:
            return response_of(answer)
        try:
            value = self._values.decode(codec, answer.body, local=local)
        except DecodingError as error:
            logger.warning("what is stored for %s is no value of its kind: %s", self.label, error)
            return (yield Compute(self._function, call.args, call.kwargs))
        Around(call.response, status_of(call.request)).restore(answer)
        return value

    def note_stream(self) -> Reason | None:
        """Note that the view streams; return why this stream is not stored, since others may be waiting for it."""
        if self._is_async or self._streams:
            return None
        self._streams = True
        return Reason.STREAMED

    # -- for visits -----------------------------------------------------------------------------------------------

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself."""
        function: Callable[..., Any] = self._function
        return function

    def tags(self, call: Call) -> tuple[str, ...]:
        """Return the tags of a call."""
        return self._tags.render(self._arguments.values(call))

    def encoded(self, value: Any, *, local: bool) -> tuple[int, bytes] | None:
        """Return a value as codec and bytes; None where that cannot be."""
        return self._values.encode(value, local=local)

    def objection(self, request: Request, before: tuple[bool, bool]) -> Reason | None:
        """Return why the use of the session keeps a response from being stored.

        Args:
            request: the request.
            before: whether the session was modified and accessed when the view was called.
        """
        found = asgi.objection_in(request.scope)
        if found is None or not self._shared:
            return found
        # What dependencies do to it they do on hits too.
        return found if is_modified(request) and not before[0] else None


def _options(label: str, ttl: Duration, options: ViewOptions) -> dict[str, Any]:
    unknown = sorted(set(options) - set(ViewOptions.__annotations__))
    if unknown:
        known = ", ".join(ViewOptions.__annotations__)
        raise OptionTypeError(
            f"cached_view of {label} has no option {', '.join(unknown)}; it has ttl, tags, ignore, shared, bypass, "
            f"cache, backend, {known}"
        )
    given: dict[str, Any] = {**options}
    of_policy = {name: value for name, value in given.items() if name in _OF_POLICY}
    of_rule = {name: value for name, value in given.items() if name not in _OF_POLICY}
    field = _FIELD.decode()
    vary = (*of_rule.pop("vary", ()), field)
    return {**of_policy, "rules": (Rule(ttl=ttl, vary=vary, bypass=_is_passed, **of_rule),)}


def _is_passed(asked: Asked) -> bool:
    return (_FIELD, _PASS) in asked.headers
