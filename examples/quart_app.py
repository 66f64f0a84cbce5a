"""Quart: the plain ASGI middleware around the application, and how it names its routes.

To serve it: hypercorn quart_app:app, in this folder
"""

import asyncio

from quart import Quart, Response, request

from cachelayer import Cache, Rule
from cachelayer.asgi import CacheMiddleware

cache = Cache()
app = Quart(__name__)


@app.get("/primes/<int:limit>")
async def primes(limit: int) -> Response:
    """Count the prime numbers below a limit: a rule says how long the answer is kept."""
    count = sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))
    return Response(f"{count} primes", content_type="text/plain")


@app.before_request
async def name_route() -> None:
    """Leave the matched rule where the middleware looks for it."""
    request.scope["cachelayer.route"] = request.url_rule.rule if request.url_rule else "<unmatched>"


app.asgi_app = CacheMiddleware(app.asgi_app, cache=cache, rules=[Rule(path="/primes/*", ttl="10m")])


async def main() -> None:
    """Ask twice for the same page, and for one that is not there."""
    client = app.test_client()
    for path in ("/primes/20000", "/primes/20000", "/nothing"):
        response = await client.get(path)
        print(path, response.status_code, "|", response.headers["cache-status"])
    for label, counted in cache.stats().routes.items():
        print(label, "| hit", counted.hit, "| miss", counted.miss, "| uncacheable", counted.uncacheable)


if __name__ == "__main__":
    asyncio.run(main())
