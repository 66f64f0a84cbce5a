"""Litestar: the plain ASGI middleware around the application, and how it names its routes.

To serve it: uvicorn litestar_app:app --app-dir examples
"""

from litestar import Litestar, get, put
from litestar.datastructures import CacheControlHeader
from litestar.params import FromPath, FromQuery
from litestar.testing import TestClient

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware

cache = Cache()
prices = {"pen": 3}


@get("/prices/{article:str}", cache_control=CacheControlHeader(max_age=600))
async def read_price(article: FromPath[str]) -> dict[str, int]:
    """Show a price: it says itself how long it may be kept, and here under which tag."""
    cache.tag(f"price:{article}")
    return {article: prices[article]}


@put("/prices/{article:str}")
async def write_price(article: FromPath[str], cents: FromQuery[int]) -> dict[str, int]:
    """Change a price, and invalidate what shows it."""
    prices[article] = cents
    await cache.ainvalidate_tags(f"price:{article}")
    return {article: cents}


def route(scope: dict) -> str | None:
    """Return the path template that Litestar has left in the scope."""
    return scope.get("path_template")


litestar = Litestar([read_price, write_price], logging_config=None)
app = CacheMiddleware(litestar, cache=cache, route=route)


def main() -> None:
    """Read a price twice, change it, and read it again."""
    with TestClient(app) as client:
        for step in ("read", "read", "write", "read"):
            if step == "write":
                client.put("/prices/pen", params={"cents": 4})
                continue
            response = client.get("/prices/pen")
            print(response.json(), "|", response.headers["cache-status"])
    for label, counted in cache.stats().routes.items():
        print(label, "| hit", counted.hit, "| miss", counted.miss, "| bypass", counted.bypass)


if __name__ == "__main__":
    main()
