"""The dashboard: what a cache does, live, and the means to purge. See docs/dashboard.md.

    from cachelayer.dashboard import Basic, Dashboard

    dashboard = Dashboard(cache, auth=Basic(view={"eve": ...}, purge={"alice": ...}))
    app.mount("/cache", dashboard.asgi_app)      # or dashboard.wsgi_app

A framework's own view needs `Request`, `dashboard.respond(request)` and `Response`.
"""

from __future__ import annotations

from cachelayer.dashboard.access import Auth, Basic, Bearer, Role, User
from cachelayer.dashboard.core import Dashboard
from cachelayer.dashboard.messages import Request, Response

__all__ = ["Auth", "Basic", "Bearer", "Dashboard", "Request", "Response", "Role", "User"]
