"""`cachelayer doctor`: what it says of a store, and how it ends."""

import json
import sys
import types

import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI
from flask import Flask
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from cachelayer import Cache, InMemoryBackend, asgi, wsgi
from cachelayer.backends import url as urls
from cachelayer.doctor import doctor
from cachelayer.errors import BackendError
from cachelayer.testing import FailingBackend, MinimalBackend


def ask(*arguments: str, **environment: str) -> Result:
    """Run the command within this process."""
    clean = {"CACHELAYER_URL": None, "CACHELAYER_DISABLED": None}
    return CliRunner().invoke(doctor, arguments, env={**clean, **environment})


class Ill(MinimalBackend):
    """A shared store that has something to say."""

    shared = True

    def diagnose(self):
        """Say it."""
        return ["it evicts nothing: set maxmemory-policy to allkeys-lru"]


@pytest.fixture
def store_at(monkeypatch):
    """Make `test://` the URL of a store."""

    def name(backend):
        monkeypatch.setattr(
            urls, "_factory", lambda scheme: (lambda parts: backend) if scheme == "test" else None
        )

    return name


def test_a_healthy_store_is_well(store_at):
    """It says how long operations take, and exits with 0."""
    store = Ill()
    store.diagnose = list
    store_at(store)
    result = ask("test://user:secret@host")
    assert result.exit_code == 0
    assert "store: test://user:***@host" in result.output
    assert "all is well" in result.output
    for name in ("write", "hit", "miss"):
        assert f"{name}: " in result.output
    assert store.get_stats().current_entries == 0


def test_what_is_wrong_is_said(store_at):
    """Each finding is a line, and the command exits with 1."""
    store_at(Ill())
    result = ask("test://")
    assert result.exit_code == 1
    assert "- it evicts nothing: set maxmemory-policy to allkeys-lru\n1 found" in result.output


def test_a_store_that_fails_is_told_once(store_at):
    """An error is a finding, not a traceback."""
    store = FailingBackend(MinimalBackend(), error=BackendError("refused: start the server"))
    store_at(store)
    result = ask("test://")
    assert result.exit_code == 1
    assert result.output.count("refused: start the server") == 1


def test_memory_is_one_cache_a_worker():
    """Who asks about no store in particular is told what the default means with several workers."""
    result = ask()
    assert result.exit_code == 1
    assert "store: memory://" in result.output
    assert "each worker process has a cache of its own" in result.output


def test_the_environment_names_the_store():
    """Without an argument it is the default cache's store."""
    assert "store: memory://?max_entries=10" in ask(CACHELAYER_URL="memory://?max_entries=10").output


def test_a_bad_url_is_said():
    """An unknown URL is a finding that lists what there is."""
    result = ask("nowhere://user:secret@host")
    assert result.exit_code == 1
    assert "memory://" in result.output
    assert "secret" not in result.output


def test_the_store_may_be_named_as_elsewhere(store_at):
    """As --backend, like all commands do [observability 14]."""
    store_at(Ill())
    assert "store: test://host" in ask("--backend", "test://host").output


def test_json_is_for_scripts(store_at):
    """What was measured, and what was found [observability 14]."""
    store_at(Ill())
    result = ask("test://name:secret@host", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["store"], found["layers"]) == ("test://name:***@host", [])
    assert found["troubles"] == ["it evicts nothing: set maxmemory-policy to allkeys-lru"]
    assert set(found["seconds"]) == {"write", "hit", "miss"}


def test_a_real_server_is_examined(redis_server):
    """One that never evicts fills up, and then stores nothing [observability 14]."""
    result = ask(redis_server.url)
    assert result.exit_code == 1
    assert "maxmemory" in result.output
    assert "hit: " in result.output


def test_caching_that_is_off_is_said(store_at):
    """Whoever wonders why nothing is cached is told [observability 14]."""
    store = Ill()
    store.diagnose = list
    store_at(store)
    assert "$CACHELAYER_DISABLED is set" in ask("test://", CACHELAYER_DISABLED="1").output


# -- the order of middlewares --------------------------------------------------------------------------------------


@pytest.fixture
def named(monkeypatch, store_at):
    """Make an application importable as `site_under_test:app`, over a store that is well."""
    store = Ill()
    store.diagnose = list
    store_at(store)

    def name(app):
        module = types.ModuleType("site_under_test")
        module.app, module.make = app, lambda: app
        monkeypatch.setitem(sys.modules, "site_under_test", module)
        return "site_under_test:app"

    return name


CACHE = Middleware(asgi.CacheMiddleware, cache=Cache())
GZIP = Middleware(GZipMiddleware)
HOSTS = Middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])


def test_a_good_order_is_well(named):
    """What settles the host is outside, what compresses inside [observability 14]."""
    result = ask("test://", "--app", named(FastAPI(middleware=[HOSTS, CACHE, GZIP])))
    assert result.exit_code == 0
    assert "from outside in: TrustedHostMiddleware, CacheMiddleware, GZipMiddleware, FastAPI" in result.output


@pytest.mark.parametrize(
    ("middleware", "said"),
    [
        ([CACHE, HOSTS], "TrustedHostMiddleware is inside the cache: "),
        ([GZIP, CACHE], "GZipMiddleware is outside the cache: "),
        ([CACHE, CACHE], "the application is cached more than once"),
        ([GZIP], "no CacheMiddleware is around the application"),
    ],
    ids=["hosts inside", "compression outside", "twice", "none"],
)
def test_a_bad_order_is_said(named, middleware, said):
    """With the reason, and what to do [observability 14]."""
    result = ask("test://", "--app", named(FastAPI(middleware=middleware)))
    assert result.exit_code == 1
    assert f"- {said}" in result.output
    assert "1 found" in result.output


def test_middlewares_of_wsgi_are_found_from_outside_in(named):
    """Each keeps what it is around [observability 14]."""
    app = Flask("site_under_test")
    app.wsgi_app = wsgi.CacheMiddleware(ProxyFix(app.wsgi_app), cache=Cache())
    result = ask("test://", "--app", named(app))
    assert result.exit_code == 1
    assert "from outside in: Flask, CacheMiddleware, ProxyFix, wsgi_app" in result.output
    assert "ProxyFix is inside the cache" in result.output


def test_the_store_is_the_applications_own(named):
    """Unless another one is named [observability 14]."""
    app = asgi.CacheMiddleware(FastAPI(), cache=Cache(InMemoryBackend(), name="pages"))
    result = ask("--app", named(app))
    assert "store: InMemoryBackend of the application's cache 'pages'" in result.output
    assert "each worker process has a cache of its own" in result.output


def test_a_store_that_only_the_middleware_names(named):
    """It is made as the middleware would [observability 14]."""
    app = FastAPI(middleware=[Middleware(asgi.CacheMiddleware, backend=InMemoryBackend())])
    assert "store: InMemoryBackend of the application's cache" in ask("--app", named(app)).output


def test_an_application_may_be_made_by_a_function(named):
    """As servers take it: module:function() [observability 14]."""
    named(FastAPI(middleware=[CACHE]))
    assert ask("test://", "--app", "site_under_test:make()").exit_code == 0


@pytest.mark.parametrize("app", ["site_under_test", "no_such_module:app", "site_under_test:nothing"])
def test_an_application_that_is_not_there_exits_with_2(named, app):
    """It could not be asked [observability 14]."""
    named(None)
    result = ask("--app", app)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--app {app}" in result.stderr
