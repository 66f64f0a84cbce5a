"""What the real servers serve: one origin as an ASGI and as a WSGI application, with a cache of its own."""

import itertools
import json

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware

cache = Cache()
count = itertools.count(1)
FRESH = ("Cache-Control", "max-age=60")
TEXT = ("Content-Type", "text/plain")


def stream():
    """Yield many parts."""
    for number in range(50):
        yield b"part %d\n" % number


def answer(method, path):
    """Return label, status, fields and body."""
    if path.startswith("/users/"):
        return "/users/{id}", 200, [FRESH, TEXT], b"user %d" % next(count)
    number = b"%d" % next(count)
    pages = {
        "/page": (200, [FRESH, TEXT, ("X-Twice", "1"), ("X-Twice", "2")], number),
        "/sized": (200, [FRESH, TEXT, ("Content-Length", "5")], b"%05d" % next(count)),
        "/missing": (404, [FRESH, TEXT], b"no such page"),
        "/slow": (200, [FRESH, TEXT], (b"slow" * 1000 for _ in range(20))),
        "/stream": (200, [FRESH, TEXT], stream()),
        "/head": (200, [FRESH, TEXT, ("Content-Length", "5")], b"hello"),
        "/tagged": (200, [FRESH, TEXT, ("ETag", '"x"'), ("Content-Length", "5")], b"hello"),
        "/long": (
            200,
            [FRESH, TEXT, ("ETag", '"long"'), ("Content-Length", "26")],
            b"abcdefghijklmnopqrstuvwxyz",
        ),
        "/echo": (200, [TEXT], method.encode()),
        "/silent": (200, [TEXT], number),
        "/stats": (200, [TEXT, ("Cache-Control", "no-store")], show_stats()),
    }
    return path, *pages.get(path, (200, [TEXT, ("Cache-Control", "no-store")], b"ready"))


def show_stats():
    """Return the counts of all routes."""
    return json.dumps({label: one.to_dict() for label, one in cache.stats().routes.items()}).encode()


async def asgi_origin(scope, receive, send):
    """Answer as ASGI has it."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    label, status, fields, body = answer(scope["method"], scope["path"])
    scope["cachelayer.route"] = label
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in [body] if isinstance(body, bytes) else body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


def wsgi_origin(environ, start_response):
    """Answer as WSGI has it."""
    label, status, fields, body = answer(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    environ["cachelayer.route"] = label
    start_response(f"{status} {'OK' if status == 200 else 'NOT FOUND'}", list(fields))
    return [body] if isinstance(body, bytes) else body


asgi = AsgiMiddleware(asgi_origin, cache=cache)
wsgi = WsgiMiddleware(wsgi_origin, cache=cache)
