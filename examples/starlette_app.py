"""Starlette: the middleware in the list, rules by path, statistics by path template.

To serve it: uvicorn starlette_app:app --app-dir examples
"""

from cachelayer_starlette import CacheMiddleware, Rule
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from cachelayer import Cache

cache = Cache()


def primes(request: Request) -> Response:
    """List the prime numbers below a limit."""
    limit = request.path_params["limit"]
    found = [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]
    return JSONResponse(found)


def stats(request: Request) -> Response:
    """Show what the cache counted."""
    return JSONResponse(cache.stats().to_dict(), headers={"cache-control": "no-store"})


app = Starlette(
    routes=[Route("/primes/{limit:int}", primes), Route("/stats", stats)],
    middleware=[Middleware(CacheMiddleware, cache=cache, rules=[Rule(path="/primes/*", ttl="10m")])],
)


def main() -> None:
    """Ask twice for the same page, and then for the statistics."""
    client = TestClient(app)
    for _ in range(2):
        response = client.get("/primes/20000")
        print(len(response.json()), "primes |", response.headers["cache-status"])
    for label, counted in client.get("/stats").json()["routes"].items():
        print(label, "| hit rate", counted["hit_rate"])


if __name__ == "__main__":
    main()
