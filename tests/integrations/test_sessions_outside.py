"""Sessions whose middleware stands outside of the cache: it sets its cookie after the response was decided on.

security.md: a client receives Set-Cookie; another client comes; the second gets nothing of the first.
"""

import secrets
import subprocess
import sys

import pytest
from cachelayer_starlette import CacheMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cachelayer import Cache, Rule


def put(session):
    """Change the session."""
    return session.setdefault("cart", secrets.token_hex(4))


def look(session):
    """Read the session."""
    return session.get("cart", secrets.token_hex(4))


@pytest.mark.parametrize("use", [put, look])
@pytest.mark.parametrize("outside", [True, False], ids=["outside", "inside"])
def test_what_used_a_starlette_session_is_not_shared(use, outside):
    """A page that used the session goes to nobody else, wherever the session's middleware stands."""

    async def cart(request):
        return PlainTextResponse(use(request.session))

    sessions = Middleware(SessionMiddleware, secret_key="a test's")
    caching = Middleware(CacheMiddleware, cache=Cache(), rules=[Rule(path="/*", ttl=60)])
    app = Starlette(
        routes=[Route("/cart", cart)], middleware=[sessions, caching] if outside else [caching, sessions]
    )
    first, second = TestClient(app).get("/cart"), TestClient(app).get("/cart")
    assert first.text != second.text


def test_a_page_that_leaves_the_session_alone_is_shared():
    """The presence of session middleware alone keeps nothing from being cached."""

    async def page(request):
        return PlainTextResponse(secrets.token_hex(4))

    sessions = Middleware(SessionMiddleware, secret_key="a test's")
    caching = Middleware(CacheMiddleware, cache=Cache(), rules=[Rule(path="/*", ttl=60)])
    app = Starlette(routes=[Route("/page", page)], middleware=[sessions, caching])
    assert TestClient(app).get("/page").text == TestClient(app).get("/page").text


DJANGO = """
import secrets
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="a test's",
    INSTALLED_APPS=["django.contrib.sessions", "django.contrib.messages"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "cachelayer_django.middleware.CacheLayerMiddleware",
    ],
    CACHELAYER={"RULES": [{"path": "/*", "ttl": 60}]},
)
import django
django.setup()
from django.contrib import messages
from django.http import HttpResponse
from django.test import Client
from django.urls import path

def cart(request):
    return HttpResponse(request.session.setdefault("cart", secrets.token_hex(4)))

def note(request):
    messages.info(request, "saved")
    return HttpResponse(secrets.token_hex(4))

def page(request):
    return HttpResponse(secrets.token_hex(4))

urlpatterns = [path("cart", cart), path("note", note), path("page", page)]
for name in ("cart", "note", "page"):
    print(name, Client().get("/" + name).content == Client().get("/" + name).content)
"""


def test_what_used_a_django_session_or_message_is_not_shared():
    """With Django's session and message middleware outside of the cache only the page that used neither is shared."""
    ran = subprocess.run([sys.executable, "-c", DJANGO], capture_output=True, text=True, check=False)
    assert ran.stdout.split("\n")[:3] == ["cart False", "note False", "page True"], ran.stderr
