"""A Django site for the tests: the settings of this process, and views of every kind."""

import itertools
from pathlib import Path

import django
from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import include, path, re_path
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.vary import vary_on_headers

LAYER = "cachelayer_django.middleware.CacheLayerMiddleware"

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        ROOT_URLCONF=__name__,
        SECRET_KEY="tests have no secrets",
        INSTALLED_APPS=[
            "cachelayer_django",
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "tests.integrations.django.notes",
        ],
        # In memory, and seen by every thread.
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": "file:cachelayer?mode=memory&cache=shared",
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SILENCED_SYSTEM_CHECKS=["admin.E403", "admin.E408", "admin.E409", "admin.E410"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[LAYER],
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    django.setup()

count = itertools.count(1)
fresh = cache_control(max_age=60)


@fresh
def page(request, **parameters):
    """Answer with a number that grows."""
    return HttpResponse(f"{next(count)} {parameters}")


@fresh
async def asynchronous(request):
    """Answer from an async view."""
    return JsonResponse({"number": next(count)})


def silent(request):
    """Say nothing about caching."""
    return HttpResponse(str(next(count)))


@fresh
def stream(request):
    """Stream from sync code."""
    return StreamingHttpResponse(iter([b"a", f"{next(count)}"]))


@fresh
async def astream(request):
    """Stream from async code."""

    async def parts():
        yield b"a"
        yield str(next(count)).encode()

    return StreamingHttpResponse(parts())


@fresh
def broken_stream(request):
    """Fail in the middle."""

    def parts():
        yield b"a"
        raise OSError("gone")

    return StreamingHttpResponse(parts())


@fresh
async def abroken_stream(request):
    """Fail in the middle, from async code."""

    async def parts():
        yield b"a"
        raise OSError("gone")

    return StreamingHttpResponse(parts())


@fresh
def file(request):
    """Send a file."""
    return FileResponse(Path(__file__).open("rb"))


@fresh
def session(request):
    """Answer by the session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@fresh
def looked_at_session(request):
    """Look at the session, and leave it as it is."""
    return HttpResponse(str(request.session.get("visits", 0)))


@fresh
def form(request):
    """Hold a CSRF token."""
    return HttpResponse(get_token(request))


@fresh
@vary_on_headers("Accept-Language")
def translated(request):
    """Answer by a field."""
    return HttpResponse(request.headers.get("Accept-Language", ""))


@fresh
def missing(request):
    """Be matched, and find nothing."""
    raise Http404("no such thing")


@fresh
def with_cookie(request):
    """Set a cookie."""
    response = HttpResponse("cookie")
    response.set_cookie("id", "1")
    return response


def failing(request):
    """Fail."""
    raise OSError("gone")


urlpatterns = [
    path("", page),
    path("users/<int:id>/", page),
    path("api/", include([path("things/<slug:name>", page), re_path(r"^old/(?P<year>[0-9]{4})/$", page)])),
    re_path(r"^regular/(?P<year>[0-9]{4})/$", page),
    path("async", asynchronous),
    path("silent", silent),
    path("stream", stream),
    path("astream", astream),
    path("broken", broken_stream),
    path("abroken", abroken_stream),
    path("file", file),
    path("session", session),
    path("looked", looked_at_session),
    path("form", form),
    path("translated", translated),
    path("missing", missing),
    path("cookie", with_cookie),
    path("never", never_cache(page)),
    path("failing", failing),
    path("\xe4/<str:word>", page),
]
