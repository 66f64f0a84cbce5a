"""The Django site that real servers serve: `wsgi` and `asgi`, over the stores that the environment names."""

import os
import threading

import django
from cachelayer_django.decorators import cached_view
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_control

STORE = os.environ.get("CACHELAYER_URL", "memory://")

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="tests have no secrets",
    INSTALLED_APPS=["cachelayer_django", "django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    MIDDLEWARE=[
        "cachelayer_django.middleware.CacheLayerMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
    ],
    CACHELAYER={"BACKEND": STORE, "NAMESPACE": "pages"},
    CACHES={"default": {"BACKEND": "cachelayer_django.cache.CacheLayerCache", "LOCATION": STORE}},
    USE_TZ=True,
)
django.setup()


def called(name):
    """Count a call of a view, among all workers."""
    cache.add(name, 0)
    return cache.incr(name)


@cache_control(max_age=60)
def slow(request, key):
    """Answer after a while, so that others come meanwhile."""
    number = called(f"slow-{key}")
    threading.Event().wait(0.3)
    return HttpResponse(f"{key} {number}")


@cached_view(ttl=60)
def view(request, key):
    """Be cached by the decorator."""
    return HttpResponse(f"{key} {called(f'view-{key}')}")


@cached_view(ttl=60)
async def aview(request, key):
    """The same in async code."""
    await cache.aadd(f"aview-{key}", 0)
    return HttpResponse(f"{key} {await cache.aincr(f'aview-{key}')}")


def session(request):
    """Count a visitor's visits, whichever worker they come to."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


def ready(request):
    """Say which worker this is."""
    return JsonResponse({"pid": os.getpid()}, headers={"Cache-Control": "no-store"})


urlpatterns = [
    path("slow/<str:key>", slow),
    path("view/<str:key>", view),
    path("aview/<str:key>", aview),
    path("session", session),
    path("ready", ready),
]

wsgi, asgi = get_wsgi_application(), get_asgi_application()
# As a site that is loaded before it forks may well do.
cache.set("loaded", os.getpid())
