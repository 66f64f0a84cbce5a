"""An application whose workers share a Redis, for tests that run it under a real server."""

import os
import time

import redis.asyncio
from cachelayer_starlette import CacheMiddleware, Rule, cached_view
from fastapi import FastAPI

# A client of its own, beside the cache: what it counts are calls of the application.
counts = redis.asyncio.Redis.from_url(os.environ["COUNTS_URL"])
#: Seconds after which a page that nobody lets through goes on.
PATIENCE = 20


class Worker:
    """Says which process has answered, and notes who has come."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await counts.incr("came:" + scope["path"])

        async def named(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-worker", b"%d" % os.getpid())]}
            await send(message)

        await self.app(scope, receive, named)


app = FastAPI()
app.add_middleware(CacheMiddleware, backend=os.environ["CACHE_URL"], rules=[Rule(path="/cold/*", ttl=60)])
app.add_middleware(Worker)


async def compute(path: str) -> int:
    """Count a call, and wait until the test lets it through."""
    number: int = await counts.incr("calls:" + path)
    until = time.monotonic() + PATIENCE
    while not await counts.exists("go") and time.monotonic() < until:
        await counts.blpop("wake", timeout=0.05)
    return number


@app.get("/cold/{key}")
async def cold(key: str) -> int:
    """Show a page that the middleware keeps."""
    return await compute("/cold/" + key)


@app.get("/view/{key}")
@cached_view(ttl=60, tags=["view"])
async def view(key: str) -> int:
    """Show a page that the view keeps."""
    return await compute("/view/" + key)


@app.get("/ready")
async def ready() -> str:
    """Tell that the server is up."""
    return "ready"
