"""Which path template a request was routed to.

The router leaves the innermost route in the scope, but not always, and never the templates of the mounts above it:
where these are missing they are found by asking the routes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Final

from starlette.routing import BaseRoute, Host, Match, Mount

from cachelayer.exchange import UNMATCHED

Scope = MutableMapping[str, Any]

#: What a mount's template ends in.
_REST: Final = "/{path}"


def route_label(scope: Scope) -> str:
    """Return the path template that a request was routed to, such as "/api/users/{id}", or `<unmatched>`."""
    template = _template(scope)
    # A template of an application mounted at "" can be empty.
    return UNMATCHED if template is None else template or "/"


def _template(scope: Scope) -> str | None:
    path = _innermost(scope)
    if path is None:
        return _search(_routes_of(scope), _asked(scope)) if _was_routed(scope) else None
    # Mounts are the only ones to set it.
    return _mounts(scope) + path if "app_root_path" in scope else path


def _innermost(scope: Scope) -> str | None:
    """Return the template of the route in the scope, where that is the one that answered."""
    route = scope.get("route")
    if route is None or isinstance(route, (Mount, Host)):
        return None
    # FastAPI's routes do not know the prefixes of the routers that they are included by.
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None and context.original_route is route:
        route = context
    path: str | None = getattr(route, "path_format", None)
    return path


def _was_routed(scope: Scope) -> bool:
    """Whether a route was found, or the scope that the router got was a copy: then this one shows no router."""
    return "endpoint" in scope or "router" not in scope


def _routes_of(scope: Scope) -> Iterable[BaseRoute]:
    top: Any = scope.get("router") or scope.get("app")
    return getattr(top, "routes", ())


def _asked(scope: Scope) -> Scope:
    """Return the scope as the outermost router got it."""
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    asked = {name: scope[name] for name in ("type", "method", "path", "headers")}
    return {**asked, "root_path": root_path}


def _search(routes: Iterable[BaseRoute], asked: Scope) -> str | None:
    """Return the template of the route that `asked` is for."""
    partial: str | None = None
    for route in _flat(routes):
        match, child = route.matches(asked)
        if match is Match.FULL:
            return _template_of(route, {**asked, **child})
        if match is Match.PARTIAL and partial is None:
            partial = _template_of(route, {**asked, **child})
    return partial


def _template_of(route: Any, asked: Scope) -> str | None:
    if not isinstance(route, (Mount, Host)):
        path: str | None = getattr(route, "path_format", None)
        return path
    prefix = _prefix(route)
    if not route.routes:
        return prefix + _REST  # an application of another kind
    inner = _search(route.routes, asked)
    return None if inner is None else prefix + inner


def _mounts(scope: Scope) -> str:
    """Return the templates of the mounts that a request went through."""
    prefix, asked, routes = "", _asked(scope), _routes_of(scope)
    while asked["root_path"] != scope["root_path"]:
        for route in _flat(routes):
            if isinstance(route, (Mount, Host)):
                match, child = route.matches(asked)
                if match is Match.FULL:
                    prefix, asked, routes = prefix + _prefix(route), {**asked, **child}, route.routes
                    break
        else:
            break
    return prefix


def _prefix(route: Mount | Host) -> str:
    return route.path_format.removesuffix(_REST) if isinstance(route, Mount) else ""


def _flat(routes: Iterable[BaseRoute]) -> Iterator[Any]:
    """Yield the routes, with those of FastAPI's included routers in their place."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield context.starlette_route or context
