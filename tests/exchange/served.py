"""What real servers serve in tests of refreshing and validating: one origin as an ASGI and as a WSGI application."""

import itertools

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware

cache = Cache()
count = itertools.count(1)
TEXT = ("Content-Type", "text/plain")


def answer(path, known):
    """Return status, fields and body."""
    if path == "/always-stale":
        return 200, [TEXT, ("Cache-Control", "max-age=0, stale-while-revalidate=60")], b"%d" % next(count)
    if path == "/revalidated":
        fields = [("Cache-Control", "no-cache"), ("ETag", '"t"')]
        return (304, fields, b"") if known else (200, [TEXT, *fields, ("Content-Length", "5")], b"whole")
    return 200, [TEXT, ("Cache-Control", "no-store")], b"ready"


async def asgi_origin(scope, receive, send):
    """Answer as ASGI has it, once the request has come whole."""
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body"):
        pass
    status, fields, body = answer(scope["path"], b"if-none-match" in dict(scope["headers"]))
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi_origin(environ, start_response):
    """Answer as WSGI has it, once the request has come whole."""
    environ["wsgi.input"].read()
    status, fields, body = answer(environ["PATH_INFO"], "HTTP_IF_NONE_MATCH" in environ)
    start_response("200 OK" if status == 200 else "304 Not Modified", fields)
    return [body] if body else []


asgi = AsgiMiddleware(asgi_origin, cache=cache)
wsgi = WsgiMiddleware(wsgi_origin, cache=cache)
