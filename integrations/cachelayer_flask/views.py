"""`CacheLayer.cached_view`: one view's responses, looked up where the view would be called.

The view is asked as a WSGI application would be, behind a middleware of its own. So hooks and decorators that stand
outside of it have run before anything is served.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from flask import Flask, Response, current_app, has_request_context, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from cachelayer import Cache, Rule
from cachelayer.control import controls_of
from cachelayer.errors import CacheLayerError, ConfigurationError, OptionTypeError
from cachelayer.exchange import OBJECTION, PASSED, ROUTE
from cachelayer.functions.encoding import UnkeyableError, encode
from cachelayer.http import Reason
from cachelayer.http.keys import CREDENTIAL_FIELDS
from cachelayer.http.validation import CONDITIONS
from cachelayer.wsgi import CacheMiddleware, environ_key
from cachelayer_flask.privacy import Watch, has_session, watch_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Where the environ has the arguments that the view is called with.
_CALL: Final = "cachelayer_flask.call"
#: Where the environ has how a client proved who it is.
_PROOFS: Final = (
    "HTTP_AUTHORIZATION",
    "REMOTE_USER",
    *map(environ_key, sorted(CREDENTIAL_FIELDS)),
)
#: Options of the application that say nothing of a single view.
_NOT_OURS: Final = frozenset({"cache", "backend", "route", "rules", "heuristic_freshness", "shadow"})
_NOT_TAKEN: Final = ("path", "route", "enabled")
#: A request's conditions, and what Werkzeug calls them where it remembers them.
_CONDITIONS: Final = {environ_key(name): name.decode().replace("-", "_") for name in CONDITIONS}

#: The arguments of the view that is asked for, while its key is made.
_current: ContextVar[tuple[tuple[Any, ...], dict[str, Any]]] = ContextVar("cachelayer_flask_call")


class _Call(NamedTuple):
    """What a view is called with.

    Attributes:
        args: by position.
        kwargs: by name.
        proofs: of who asks, which the cache is not shown.
        place: the id of the environ that the middleware was given first. It makes others for calls of its own.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    proofs: dict[str, Any]
    place: int


class _RefusedError(CacheLayerError):
    """A hook answered in the view's place, where it was to be refreshed."""


class CachedView:
    """One view, with a middleware of its own in each application.

    Args:
        function: the view.
        options: of `CacheLayer.cached_view`.
        choose: returns the current application, its cache, and the options of its middleware.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        options: dict[str, Any],
        choose: Callable[[], tuple[Flask, Cache, dict[str, Any]]],
    ) -> None:
        if not callable(function):
            raise OptionTypeError(f"@cached_view goes on a view, below @route, not on {function!r}")
        self._function, self._choose = function, choose
        self._signature = inspect.signature(function)
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._key = _checked_call("key", options.pop("key", None))
        bypass, shared = _checked_call("bypass", options.pop("bypass", None)), options.pop("shared", False)
        if not isinstance(shared, bool):
            raise OptionTypeError(f"shared must be True or False, not {shared!r}")
        tags = _checked_tags(function, options.pop("tags", ()))
        self._templates = tuple(tag for tag in tags if "{" in tag)
        unknown = [name for name in _NOT_TAKEN if name in options]
        if unknown:
            raise OptionTypeError(
                f"@cached_view has no option {', '.join(unknown)}: it is about the one view"
            )
        #: Who may share an entry has been said; else the guards of the middleware count.
        self._says_who = shared or self._key is not None
        if self._says_who and options.get("cookies") is None:
            options["cookies"] = ()
        self._cookies: tuple[str, ...] = tuple(options.get("cookies") or ())
        #: How many of its arguments are the instance that it is bound to.
        self._bound = int(next(iter(self._signature.parameters), "") in ("self", "cls"))
        self._rule = Rule(
            **options,
            tags=tuple(tag for tag in tags if "{" not in tag),
            key=self._key_part,
            bypass=None if bypass is None else lambda _: bool(bypass()),
        )
        self._made: weakref.WeakKeyDictionary[Flask, CacheMiddleware] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the response to the request under way."""
        if not has_request_context():
            return self._function(*args, **kwargs)
        if request.method not in self._rule.methods:
            # The middleware around the application has seen it, and counts it.
            return current_app.ensure_sync(self._function)(*args, **kwargs)
        app, cache, options = self._choose()
        middleware = self._made.get(app) or self._make(app, cache, options)
        if _current.get(None) is None:
            # The middleware around the application has nothing to do with this one; a cached view around it has.
            for control in controls_of(cache):
                control.kept_within = True
        # A copy: whoever is asked behind the client's back, later, is asked for this very call.
        environ = {name: value for name, value in request.environ.items() if name != PASSED}
        # Where it has been said who may have it, it does not matter how they proved who they are.
        proofs = _taken(environ, _PROOFS) if self._says_who else {}
        environ[_CALL] = _Call(args, kwargs, proofs, id(environ))
        token = _current.set((args, kwargs))
        try:
            return _respond(middleware, environ)
        finally:
            _current.reset(token)

    def _make(self, app: Flask, cache: Cache, options: dict[str, Any]) -> CacheMiddleware:
        with self._lock:
            made = self._made.get(app)
            if made is None:
                own = {name: value for name, value in options.items() if name not in _NOT_OURS}
                if self._says_who:
                    own["session_cookies"] = ()
                made = self._made[app] = CacheMiddleware(
                    functools.partial(self._app, weakref.ref(app)), cache=cache, rules=(self._rule,), **own
                )
            return made

    # -- the view as a WSGI application -----------------------------------------------------------------------

    def _app(
        self, app: weakref.ref[Flask], environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        call: _Call = environ[_CALL]
        environ.update(call.proofs)
        if call.place == id(environ):
            with _fields_of(environ):
                return self._answer(environ, start_response)
        # Behind the client's back, in a thread that has no request: hooks say again who it is.
        with cast(Flask, app()).request_context(environ):
            if current_app.preprocess_request() is not None:
                raise _RefusedError(f"{self._name} is not refreshed: a hook answered in the view's place")
            return self._answer(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        call: _Call = environ[_CALL]
        if request.url_rule is not None:
            environ[ROUTE] = request.url_rule.rule
        with watch_session() as watch:
            try:
                given = current_app.ensure_sync(self._function)(*call.args, **call.kwargs)
            except HTTPException as error:
                if current_app.trap_http_exception(error):
                    raise
                given = current_app.handle_http_exception(error)
            response = current_app.make_response(given)
        streams = response.is_streamed or response.direct_passthrough
        if self._is_visitors_own(watch, streams=streams):
            environ[OBJECTION] = Reason.SESSION_COOKIE
            self._choose()[1].no_store()
        self._tag(call)
        if streams:
            return response(environ, start_response)
        parts, status, headers = response.get_wsgi_response(environ)
        try:
            body = list(parts)
        finally:
            response.close()
        start_response(status, headers)
        return body

    def _is_visitors_own(self, watch: Watch, *, streams: bool) -> bool:
        """Whether the session has a part in the response; of a stream nobody knows what it will use."""
        uses_session = watch.used_session or (streams and has_session())
        is_told_apart = self._key is not None or current_app.config["SESSION_COOKIE_NAME"] in self._cookies
        return uses_session and not is_told_apart

    def _tag(self, call: _Call) -> None:
        """Give the response the tags that the view's arguments have a part in."""
        if self._templates:
            bound = self._signature.bind(*call.args, **call.kwargs)
            bound.apply_defaults()
            values = {**call.kwargs, **bound.arguments}
            self._choose()[1].tag(*(template.format_map(values) for template in self._templates))

    def _key_part(self, _: object) -> str | None:
        """Return what tells this response from others of the URL; None where nothing does."""
        args, kwargs = _current.get()
        made = () if self._key is None else self._key()
        if made is None:
            return None
        try:
            return encode((self._name, args[self._bound :], kwargs, made))
        except UnkeyableError:
            return None


@contextmanager
def _fields_of(environ: WSGIEnvironment) -> Generator[None]:
    """Let the view see the conditions that the cache asks with, in place of the client's own."""
    mine = request.environ
    own = _taken(mine, _CONDITIONS)
    asked = {name: environ[name] for name in _CONDITIONS if name in environ}
    try:
        mine.update(asked)
        _forget_conditions()
        yield
    finally:
        _taken(mine, asked)
        mine.update(own)
        _forget_conditions()


def _forget_conditions() -> None:
    # What is behind the proxy: Werkzeug's own way to it.
    behind: object = cast(Any, request)._get_current_object()
    for name in _CONDITIONS.values():
        vars(behind).pop(name, None)


def _taken(environ: WSGIEnvironment, names: Iterable[str]) -> dict[str, Any]:
    return {name: environ.pop(name) for name in names if name in environ}


def _respond(middleware: CacheMiddleware, environ: WSGIEnvironment) -> Response:
    """Return what a middleware answers, as a response of Flask's."""
    head: list[Any] = []

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        head[:] = status, headers
        return _no_write

    parts = middleware(environ, start)
    response = current_app.response_class(parts, status=head[0], headers=head[1])
    # All that there is to say has been said: a type that is not there, or a length, is not to be added.
    response.automatically_set_content_length = False
    if len(response.headers) != len(head[1]):
        response.headers = Headers(head[1])
    return response


def _no_write(data: bytes) -> None:
    raise AssertionError("responses of Flask's give their body as an iterable")


def _checked_call(name: str, call: Any) -> Callable[[], Any] | None:
    if call is None:
        return None
    if not callable(call):
        raise OptionTypeError(f"{name} must be a callable without arguments, not {call!r}")
    try:
        inspect.signature(call).bind()
    except TypeError:
        raise OptionTypeError(
            f"{name} is called without arguments, but {call!r} takes some: the request is flask.request"
        ) from None
    return cast("Callable[[], Any]", call)


def _checked_tags(function: Callable[..., Any], tags: Any) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise OptionTypeError(f"tags must be a list, not one text: tags=[{tags!r}]")
    found = tuple(tags)
    parameters = inspect.signature(function).parameters
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    for tag in found:
        if not isinstance(tag, str):
            raise OptionTypeError(f"tags must be a list of str, but has {type(tag).__name__} {tag!r}")
        try:
            names = [name for _, name, _, _ in Formatter().parse(tag) if name is not None]
        except ValueError as error:
            raise ConfigurationError(
                f"tags holds {tag!r}: {error}; braces hold an argument of the view"
            ) from None
        for name in names:
            if name not in parameters and not takes_any:
                raise ConfigurationError(
                    f"tags holds {tag!r}, but the view {function.__qualname__} has no argument {name!r}"
                )
    return found
