"""Caches of Django's over our stores, asked in sync and in async code."""

import asyncio
import inspect

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connections
from django.test.utils import override_settings

from tests.integrations import django_site

__all__ = ["django_site"]

OURS = "cachelayer_django.cache.CacheLayerCache"
COLOURS = ("sync", "async")
STORES = ("memory", "disk", "redis", "memcached")


class Coloured:
    """One of Django's caches in one colour: `coloured.get("x")` calls `get`, or runs `aget`."""

    def __init__(self, alias, colour):
        self.alias, self.colour = alias, colour

    @property
    def plain(self):
        """Django's object."""
        return caches[self.alias]

    def __getattr__(self, name):
        if self.colour == "sync":
            return getattr(self.plain, name)

        def call(*args, **kwargs):
            async def ask():
                # Within the loop, as requests do: Django makes an object for each.
                return await getattr(caches[self.alias], "a" + name)(*args, **kwargs)

            return asyncio.run(ask())

        assert inspect.iscoroutinefunction(getattr(self.plain, "a" + name))
        return call


@pytest.fixture
def use_caches():
    """Set `CACHES` for the test: `use_caches(default={"LOCATION": ...})`; the backend is ours."""
    overrides = []

    def use(**settings):
        given = {alias: {"BACKEND": OURS, **one} for alias, one in settings.items()}
        override = override_settings(CACHES=given)
        override.enable()
        overrides.append(override)

    yield use
    for override in reversed(overrides):
        override.disable()


@pytest.fixture(params=STORES)
def location(request, tmp_path):
    """The URL of an empty store of each kind."""
    if request.param == "memory":
        return f"memory://#{request.node.nodeid.replace('/', '.')}"
    if request.param == "disk":
        return f"disk://{tmp_path}/cache.db"
    server = request.getfixturevalue(f"{request.param}_server")
    url = server.url if request.param == "redis" else f"memcached://{server.address}"
    return f"{url}?namespace={tmp_path.name}"


@pytest.fixture(params=COLOURS)
def colour(request):
    """Sync or async."""
    return request.param


@pytest.fixture
def cache(use_caches, location, colour):
    """A cache over an empty store of each kind, in each colour."""
    use_caches(default={"LOCATION": location})
    return Coloured("default", colour)


@pytest.fixture(scope="session")
def _tables():
    """Make the tables, once."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield
    connections.close_all()


@pytest.fixture
def database(_tables):
    """An empty database, in which transactions are real."""
    yield
    call_command("flush", interactive=False, verbosity=0)
    connections.close_all()
