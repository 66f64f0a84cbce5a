"""What real servers serve for test_servers.py: pages that are cached, a cached function, and a report of both."""

import os

import msgspec

from cachelayer import Cache, cached
from cachelayer.stats import make_report
from cachelayer.wsgi import CacheMiddleware

cache = Cache(
    os.environ.get("CACHE_URL") or None,
    stats_dir=os.environ.get("STATS_DIR") or None,
    stats_interval=0.3,
)


@cached(cache=cache, ttl=600, name="double")
def double(number):
    """Return the double."""
    return 2 * number


def origin(environ, start_response):
    """Answer."""
    path = environ["PATH_INFO"]
    environ["cachelayer.route"] = route = f"/{path.split('/')[1]}"
    fields = [("Content-Type", "text/plain"), ("Cache-Control", "no-store")]
    body = b"ready"
    if route == "/report":
        body = msgspec.json.encode(make_report(cache))
    elif route == "/double":
        body = b"%d" % double(int(path.rpartition("/")[2]))
    elif route == "/pages":
        fields[1] = ("Cache-Control", "max-age=600")
    start_response("200 OK", [*fields, ("Content-Length", str(len(body)))])
    return [body]


application = CacheMiddleware(origin, cache=cache)
