"""The application, put together."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from cachelayer_starlette import CacheMiddleware, Rule
from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware

from cachelayer import Cache
from cachelayer.dashboard import Dashboard, Request, Role, User
from fastapi_shop import api, pages
from fastapi_shop.database import Database


def create_app(database: str | Path | None = None, cache: Cache | None = None) -> FastAPI:
    """Return the shop.

    Args:
        database: path of its SQLite file. Default: SHOP_DATABASE, else shop.sqlite3 in the current folder.
        cache: where pages are kept. Default: what CACHELAYER_URL says, such as a Redis that several workers share.
    """
    cache = cache or Cache(os.environ.get("CACHELAYER_URL"), name="shop")
    secret = os.environ.get("SHOP_SECRET") or secrets.token_hex()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aclosing(cache):  # it was made here, so it is closed here
            yield

    app = FastAPI(title="Bookshop", lifespan=lifespan)
    app.state.database = Database(Path(database or os.environ.get("SHOP_DATABASE", "shop.sqlite3")))
    app.state.cache = cache
    app.include_router(pages.router)
    app.include_router(api.router)
    app.mount("/cache", Dashboard(cache, auth=known, secret_key=secret).asgi_app)
    # What is added later stands outside: the session is there when the cache looks, and its cookie is set on hits too.
    app.add_middleware(CacheMiddleware, cache=cache, rules=[Rule(path="/", ttl="10m", cookies=[])])
    app.add_middleware(SessionMiddleware, secret_key=secret)
    return app


def known(request: Request) -> User | None:
    """Tell the dashboard who asks: the staff, by the shop's own session."""
    person = request.source["session"].get("person")
    if person is None or not person["is_staff"]:
        return None
    return User(person["name"], frozenset({Role.VIEW, Role.PURGE}))
