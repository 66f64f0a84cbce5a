"""What gunicorn serves: a Flask application on the Redis at CACHE_URL, which counts in the one at COUNTS_URL."""

import os
import time

from cachelayer_flask import CacheLayer, Rule
from flask import Flask, g
from redis import Redis

app = Flask(__name__)
app.config["CACHELAYER_BACKEND"] = os.environ["CACHE_URL"]
app.config["CACHELAYER_RULES"] = [Rule(path="/cold/*", ttl=600)]
cache = CacheLayer(app)


def counts():
    """Return a client of this request's own."""
    if "counts" not in g:
        g.counts = Redis.from_url(os.environ["COUNTS_URL"])
    return g.counts


@app.teardown_appcontext
def close(error):
    """Close it."""
    if "counts" in g:
        g.pop("counts").close()


def compute(path):
    """Count a call of the application; go on when the test says so."""
    number = counts().incr(f"calls:{path}")
    while not counts().exists("go"):
        time.sleep(0.01)
    return str(number)


@app.get("/cold/<key>")
def cold(key):
    """Be cached by a rule."""
    return compute(f"/cold/{key}")


@app.get("/view/<key>")
@cache.cached_view(ttl=600)
def view(key):
    """Be cached as a view."""
    return compute(f"/view/{key}")


@cache.cached(ttl=600, lock="distributed")
def load(key: str) -> str:
    """Be cached as a function, by one process of all."""
    return compute(f"/function/{key}")


@app.get("/function/<key>")
def function(key):
    """Show what the function gives."""
    return load(key)


@app.get("/ready")
def ready():
    """Say that this worker is there."""
    return "ready"


class Counted:
    """Counts those who come, before the cache sees them, and says which process answers."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, environ, start_response):
        """Serve one request."""
        if environ["PATH_INFO"] != "/ready":
            with Redis.from_url(os.environ["COUNTS_URL"]) as client:
                client.incr(f"came:{environ['PATH_INFO']}")

        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Worker", str(os.getpid()))], exc_info)

        return self.inner(environ, start)


app.wsgi_app = Counted(app.wsgi_app)
if "WARM" in os.environ:
    # In the process that is forked: whatever it opens is not for its children.
    with Redis.from_url(os.environ["COUNTS_URL"]) as client:
        client.set("go", "1")
    for path in ("/cold/warm", "/view/warm", "/function/warm"):
        assert app.test_client().get(path).text == "1"
