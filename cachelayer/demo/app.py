"""The application: airports of the world, in Starlette.

- GET /airports/{icao}     an airport, those nearest to it and what pilots reported: cached by a rule, with a tag
- GET /search?q=           a search in names, cities and regions: cached by a rule
- GET /countries           every country: cached because its own Cache-Control says so
- GET /countries/{code}    a country and its regions: the same
- GET /my/trip             a visitor's own page, private: never cached, but the function behind it is
- POST /reports            a pilot's report: bypasses the cache, and invalidates the airport's page by its tag
- GET /stats               what the cache counted
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from cachelayer import Cache, cached
from cachelayer.asgi import CacheMiddleware
from cachelayer.demo import queries
from cachelayer.demo.database import Database, Row
from cachelayer.http import Rule

RULES: Final = (
    Rule(path="/airports/{icao}", ttl="10m", tags=("airport:{icao}",)),
    Rule(path="/search", ttl="10m", only_query=("q",)),
)
_PUBLIC: Final = {"cache-control": "public, max-age=600"}
_PRIVATE: Final = {"cache-control": "private"}


def make_app(database: Database, cache: Cache | None) -> ASGIApp:
    """Return the application. Without a cache it is the same, less the middleware and the decorators."""
    pages = Pages(database, cache)
    app = Starlette(routes=pages.routes)
    return app if cache is None else CacheMiddleware(app, cache=cache, rules=RULES, route=pages.template)


class Pages:
    """The application's pages over a database, with a cache or without one."""

    def __init__(self, database: Database, cache: Cache | None) -> None:
        self._database = database
        self._cache = cache
        self._nearest = _remembered(queries.nearest, cache)
        self._along_route = _remembered(queries.along_route, cache)
        self.routes = [
            Route("/airports/{icao}", self.airport),
            Route("/search", self.search),
            Route("/countries", self.countries),
            Route("/countries/{code}", self.country),
            Route("/my/trip", self.trip),
            Route("/reports", self.add_report, methods=["POST"]),
            Route("/stats", self.stats),
        ]
        self._templates = {route.endpoint: route.path for route in self.routes}

    def template(self, scope: Scope) -> str | None:
        """Return the path template under which statistics count a request."""
        page: Any = scope.get("endpoint")
        return self._templates.get(page, "<unmatched>")

    def airport(self, request: Request) -> Response:
        """Show an airport."""
        icao = request.path_params["icao"]
        found = _or_404(queries.airport(self._database, icao))
        reports = queries.reports(self._database, icao)
        return JSONResponse({**found, "nearest": self._nearest(self._database, icao), "reports": reports})

    def search(self, request: Request) -> Response:
        """Show what a search finds."""
        return JSONResponse(queries.search(self._database, request.query_params.get("q", "")))

    def countries(self, request: Request) -> Response:
        """Show all countries."""
        return JSONResponse(queries.countries(self._database), headers=_PUBLIC)

    def country(self, request: Request) -> Response:
        """Show one country."""
        found = _or_404(queries.country(self._database, request.path_params["code"]))
        return JSONResponse(found, headers=_PUBLIC)

    def trip(self, request: Request) -> Response:
        """Show a visitor's own trip, and where it may divert to."""
        origin, destination = _given(request.query_params, "from", "to")
        diversions = self._along_route(self._database, origin, destination)
        visitor = request.headers.get("authorization", "Bearer nobody").removeprefix("Bearer ")
        return JSONResponse({"visitor": visitor, "diversions": diversions}, headers=_PRIVATE)

    async def add_report(self, request: Request) -> Response:
        """Take a pilot's report; the airport's page is computed anew."""
        report = await _json(request)
        icao, text = _given(report, "icao", "text")
        await run_in_threadpool(queries.add_report, self._database, icao, text)
        if self._cache is not None:
            await self._cache.ainvalidate_tags(f"airport:{icao}")
        return JSONResponse(report, status_code=201)

    def stats(self, request: Request) -> Response:
        """Show what the cache counted."""
        counted = self._cache.stats().to_dict() if self._cache else {}
        return JSONResponse(counted, headers={"cache-control": "no-store"})


def _remembered(function: Callable[..., list[Row]], cache: Cache | None) -> Callable[..., list[Row]]:
    if cache is None:
        return function
    return cached(ttl="10m", cache=cache, ignore=["database"], name=function.__name__)(function)


async def _json(request: Request) -> dict[str, Any]:
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"give a JSON object: {error}") from None


def _given(fields: Mapping[str, Any], *names: str) -> list[str]:
    found = [fields.get(name) for name in names]
    if not all(isinstance(value, str) for value in found):
        raise HTTPException(400, f"give {' and '.join(names)}")
    return [str(value) for value in found]


def _or_404(row: Row | None) -> Row:
    if row is None:
        raise HTTPException(404)
    return row
