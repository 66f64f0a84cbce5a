"""The dashboard: request in, response out, whatever server or framework is around it.

A request passes these, in order, and each can end it:
1. who asks (401, or 404 where there is no way to ask for credentials): before anything else is told
2. what is asked for (404), and how (405)
3. whether this user may (403), and for what changes something: whether the dashboard's own page sent it (403)
4. the handler, which may find that a parameter makes no sense (400)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Final
from urllib.parse import quote

import msgspec

from cachelayer.cache import Cache
from cachelayer.dashboard.access import Auth, Role, User, challenge_of, check_auth
from cachelayer.dashboard.actions import Target, is_resuming, is_true, label_of, read_form, target_of
from cachelayer.dashboard.answers import dialog, finished, into, refusal_response
from cachelayer.dashboard.asgi import AsgiApp
from cachelayer.dashboard.assets import asset_response
from cachelayer.dashboard.dialogs import purge_form, purge_preview, purge_result, refused
from cachelayer.dashboard.forgery import FIELD, Forgeries, make_key
from cachelayer.dashboard.messages import (
    Refusal,
    Request,
    Response,
    html_response,
    json_response,
)
from cachelayer.dashboard.page import Shown, parts, small_page, whole_page
from cachelayer.dashboard.sources import Source
from cachelayer.dashboard.state import query_of, state_of, window_seconds
from cachelayer.dashboard.wsgi import WsgiApp
from cachelayer.default import choose_cache
from cachelayer.durations import Duration, parse_duration
from cachelayer.errors import ConfigurationError
from cachelayer.stats.report import RouteReport

logger = logging.getLogger("cachelayer.dashboard")

_SAFE: Final = frozenset({"GET", "HEAD"})
#: What stands in a relative reference with a query as it is (RFC 3986, sections 3.4 and 4.2), "%" among them.
_IN_QUERIES: Final = "/?:@!$&'()*+,;=%"


class Visit(msgspec.Struct, frozen=True):
    """A request by a user who may make it."""

    request: Request
    user: User


Handler = Callable[[Visit], Response]


class Dashboard:
    """What a cache does, on a page and as JSON, for those who may see it.

    Mount `dashboard.asgi_app` or `dashboard.wsgi_app` where you want it; a framework's view can pass a `Request` to
    `respond`. It is nowhere unless you put it there.

    Args:
        cache: whose figures to show; None takes the process's default.
        auth: who may see it: `Basic(...)`, `Bearer(...)`, a function that returns the `User` of a `Request` or None, or
            a list of such.
        secret_key: signs the tokens against forged requests: text or bytes of 16 or more, the same in every worker.
            Needed if `auth` is a function; else it is made of the credentials.
        origins: origins such as "https://example.org" that the page may have besides the request's own host, where a
            proxy changes the Host field.
        interval: how often the open page asks for newer figures: seconds, or any duration.
        title: how the page calls the cache; None takes the cache's name.

    Raises:
        ConfigurationError: an option cannot work; it says what to do.
        OptionTypeError: an option has the wrong type.
    """

    def __init__(
        self,
        cache: Cache | None = None,
        *,
        auth: Auth | Iterable[Auth],
        secret_key: str | bytes | None = None,
        origins: Iterable[str] = (),
        interval: Duration = 2.0,
        title: str | None = None,
    ) -> None:
        self._choose = choose_cache(cache, None)
        self._auth = check_auth(auth)
        self._forgeries = Forgeries(make_key(secret_key, self._auth), origins)
        self._interval = _check_interval(interval)
        self._title = title
        if cache is not None:
            cache.recorder.watch()
        self._handlers: dict[str, dict[str, tuple[Role, Handler]]] = {
            "/": {"GET": (Role.VIEW, self._page)},
            "/live": {"GET": (Role.VIEW, self._live)},
            "/purging": {"GET": (Role.PURGE, self._purge_form)},
            "/purge": {"POST": (Role.PURGE, self._purge)},
            "/pause": {"POST": (Role.PURGE, self._pause)},
            "/api/session": {"GET": (Role.VIEW, self._api_session)},
            "/api/report": {"GET": (Role.VIEW, self._api_report)},
            "/api/route": {"GET": (Role.VIEW, self._api_route)},
            "/api/audit": {"GET": (Role.VIEW, self._api_audit)},
            "/api/purge": {"POST": (Role.PURGE, self._api_purge)},
            "/api/pause": {"POST": (Role.PURGE, self._api_pause)},
        }

    def __repr__(self) -> str:
        return f"<Dashboard title={self._title!r}>"

    @cached_property
    def asgi_app(self) -> AsgiApp:
        """The dashboard as an ASGI application."""
        return AsgiApp(self.respond)

    @cached_property
    def wsgi_app(self) -> WsgiApp:
        """The dashboard as a WSGI application."""
        return WsgiApp(self.respond)

    @cached_property
    def source(self) -> Source:
        """Where the figures come from."""
        return Source(self._choose())

    def respond(self, request: Request) -> Response:
        """Return the answer to a request. It may ask a shared store, so that an event loop calls it in a thread."""
        try:
            response = self._answer(request)
        except Refusal as refusal:
            response = refusal_response(request, refusal)
        except Exception:
            logger.exception("the dashboard failed at %s %s", request.method, request.path)
            response = refusal_response(request, Refusal(500, "this failed; the log says why"))
        return finished(request, response)

    def _answer(self, request: Request) -> Response:
        user = self._auth(request)
        if user is None:
            raise self._stranger()
        if not request.path:
            return into(request)
        if request.path.startswith("/assets/") and request.method in _SAFE:
            found = asset_response(request.path.removeprefix("/assets/"))
            if found is None or not user.may(Role.VIEW):
                raise Refusal(404, "there is no such file")
            return found
        handler = self._handler(request, user)
        return handler(Visit(request, user))

    def _stranger(self) -> Refusal:
        challenge = challenge_of(self._auth)
        if challenge:
            return Refusal(401, "credentials are missing or wrong", ("WWW-Authenticate", challenge))
        return Refusal(404, "there is nothing here for you")

    def _handler(self, request: Request, user: User) -> Handler:
        methods = self._handlers.get(request.path)
        if methods is None:
            raise Refusal(404, "there is no such page")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            allowed = "GET, HEAD" if "GET" in methods else ", ".join(methods)
            raise Refusal(405, f"{request.method} is not for this: use {allowed}", ("Allow", allowed))
        role, handler = methods[method]
        if not user.may(role):
            raise Refusal(403, f"{user.name} may not do this: it takes the role {role}")
        return handler

    # -- the page ---------------------------------------------------------------------------------------------

    def _page(self, visit: Visit) -> Response:
        return html_response(whole_page(self._shown(visit)))

    def _live(self, visit: Visit) -> Response:
        return html_response(parts(self._shown(visit)))

    def _shown(self, visit: Visit) -> Shown:
        state = state_of(visit.request)
        return Shown(
            report=self.source.report_or_none(state.seconds),
            detail=self.source.detail_or_none(state.route) if state.route else None,
            state=state,
            user=visit.user,
            token=self._forgeries.token(visit.user),
            title=self._title or self._choose().name,
            interval=self._interval,
        )

    # -- actions ----------------------------------------------------------------------------------------------

    def _purge_form(self, visit: Visit) -> Response:
        """Ask what to purge: the page without JavaScript."""
        state = state_of(visit.request)
        target = Target(kind="route", value=state.route) if state.route else None
        return html_response(small_page("Purge", purge_form(self._forgeries.token(visit.user), target)))

    def _purge(self, visit: Visit) -> Response:
        """Preview or purge by a form, and answer with a part of a page for the dialog, or with a page."""
        try:
            form = self._checked_form(visit)
            target = target_of(form)
            preview = form.get("step") != "purge"
            done = self.source.purge(target, visit.user, dry_run=preview)
        except Refusal as refusal:
            return dialog(visit.request, refused(refusal.detail), refusal.status)
        token = self._forgeries.token(visit.user)
        return dialog(
            visit.request, purge_preview(target, done, token) if preview else purge_result(target, done)
        )

    def _pause(self, visit: Visit) -> Response:
        """Pause or resume by a form, and go back to the page."""
        form = self._checked_form(visit)
        self.source.pause(label_of(form), visit.user, resume=is_resuming(form))
        back = form.get("back", "")
        # Only to the page itself, whatever a form says.
        place = quote(back, safe=_IN_QUERIES) if back.startswith("./?") else "./"
        return Response(status=303, headers=(("Location", place),))

    def _checked_form(self, visit: Visit) -> dict[str, str]:
        """Return the fields that were sent, once it is certain that the user meant it."""
        form = read_form(visit.request)
        self._forgeries.check(visit.request, visit.user, form.get(FIELD, ""))
        return form

    # -- the API ----------------------------------------------------------------------------------------------

    def _api_session(self, visit: Visit) -> Response:
        user = visit.user
        roles = [str(role) for role in Role if user.may(role)]
        return json_response({"user": user.name, "roles": roles, FIELD: self._forgeries.token(user)})

    def _api_report(self, visit: Visit) -> Response:
        given = query_of(visit.request)
        report = self.source.report(window_seconds(given.get("window") or "1h"))
        if not is_true(given, "spark", "true"):
            routes, functions = map(_without_sparks, (report.routes, report.functions))
            report = msgspec.structs.replace(report, routes=routes, functions=functions)
        return json_response(msgspec.to_builtins(report))

    def _api_route(self, visit: Visit) -> Response:
        given = query_of(visit.request)
        label = given.get("route", "")
        if not label:
            raise Refusal(400, "route is missing: give a label, as the report has them")
        report = self.source.report(window_seconds(given.get("window") or "1h"))
        row = next((one for one in (*report.routes, *report.functions) if one.route == label), None)
        if row is None:
            raise Refusal(404, f"nothing is known of the route {label[:200]!r}")
        detail = self.source.detail(label)
        return json_response({"report": msgspec.to_builtins(row), "detail": msgspec.to_builtins(detail)})

    def _api_audit(self, visit: Visit) -> Response:
        del visit
        return json_response({"audit": msgspec.to_builtins(self.source.report(60.0).audit)})

    def _api_purge(self, visit: Visit) -> Response:
        form = self._checked_form(visit)
        target, dry_run = target_of(form), is_true(form, "dry_run")
        done = self.source.purge(target, visit.user, dry_run=dry_run)
        return json_response({**msgspec.to_builtins(target), "dry_run": dry_run, **msgspec.to_builtins(done)})

    def _api_pause(self, visit: Visit) -> Response:
        form = self._checked_form(visit)
        label, resume = label_of(form), is_resuming(form)
        self.source.pause(label, visit.user, resume=resume)
        return json_response({"route": label, "paused": not resume})


def _without_sparks(rows: tuple[RouteReport, ...]) -> tuple[RouteReport, ...]:
    return tuple(msgspec.structs.replace(row, spark=()) for row in rows)


def _check_interval(interval: Duration) -> float:
    seconds = parse_duration(interval, name="interval")
    if seconds is None or seconds < 0.1:
        raise ConfigurationError(f"interval={interval!r}: give 0.1 seconds or more")
    return seconds
