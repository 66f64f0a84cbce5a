"""Views of every kind for the tests of decorators and middlewares."""

import asyncio
import itertools
import threading

from cachelayer_django.decorators import cache_page, cached_view
from django.contrib import messages
from django.http import (
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseServerError,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone, translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import condition
from django.views.decorators.vary import vary_on_cookie, vary_on_headers
from rest_framework.decorators import api_view
from rest_framework.response import Response as RestResponse
from rest_framework.views import APIView

count = itertools.count(1)
#: Lets views fail, or wait.
failing = threading.Event()
asked = []


def number(request, **kwargs):
    """Answer with a number that grows."""
    asked.append(request)
    if failing.is_set():
        return HttpResponseServerError("failing")
    return HttpResponse(str(next(count)))


async def anumber(request, **kwargs):
    """Answer with a number that grows, in async code."""
    await asyncio.sleep(0)
    return number(request, **kwargs)


def rendered(request):
    """Answer with a template that is rendered later."""
    template = engines["django"].from_string("{{ n }}")
    return TemplateResponse(request, template, {"n": lambda: next(count)})


def guarded(view):
    """Let those in who say so in a field, of which the page says no Vary."""

    def check(request, **kwargs):
        return view(request, **kwargs) if "X-Pass" in request.headers else HttpResponseForbidden("no")

    return check


class Broken(TemplateResponse):
    """A response that cannot be rendered."""

    @property
    def rendered_content(self):
        """Fail."""
        raise OSError("broken")


def broken(request):
    """Answer with a template that cannot be rendered."""
    return Broken(request, engines["django"].from_string("x"))


def stream(request):
    """Answer in parts."""
    return StreamingHttpResponse(iter([b"a", f"{next(count)}"]))


def session(request):
    """Answer by the session."""
    return HttpResponse(f"{request.session.get('name')} {next(count)}")


def language(request):
    """Answer by what is active."""
    return HttpResponse(f"{translation.get_language()} {timezone.get_current_timezone_name()} {next(count)}")


def form(request):
    """Hold a token."""
    return HttpResponse(get_token(request))


def messaged(request):
    """Show what messages there are."""
    shown = [str(message) for message in messages.get_messages(request)]
    return HttpResponse(f"{shown} {next(count)}")


def told(request):
    """Leave a message, and answer."""
    messages.success(request, "told")
    return HttpResponse(str(next(count)))


@method_decorator(cached_view(ttl=60), name="dispatch")
class Sync(View):
    """A class of sync handlers."""

    def get(self, request):
        """Answer."""
        return number(request)

    post = get


@method_decorator(cached_view(ttl=60), name="dispatch")
class Async(View):
    """A class of async handlers."""

    async def get(self, request):
        """Answer."""
        return await anumber(request)


class AsyncMethod(View):
    """A class whose one method is decorated."""

    @method_decorator(cached_view(ttl=60))
    async def get(self, request):
        """Answer."""
        return await anumber(request)


class Rest(APIView):
    """A class of REST framework's."""

    @method_decorator(cached_view(ttl=60, tags=["rest"]))
    def get(self, request):
        """Answer."""
        return RestResponse({"n": next(count), "q": request.query_params.get("q")})


@api_view(["GET"])
def rest_function(request):
    """Answer as REST framework does."""
    return RestResponse({"n": next(count)})


@condition(etag_func=lambda request: '"one"')
def conditional(request):
    """Answer with an ETag."""
    return number(request)


view = cached_view(ttl=60)


def confused(request):
    """Confirm another version than the one that was asked about, as servers behind a balancer do."""
    if "HTTP_IF_NONE_MATCH" in request.META:
        return HttpResponse(status=304, headers={"ETag": '"other"'})
    return HttpResponse(str(next(count)), headers={"ETag": '"one"'})


urlpatterns = [
    path("number", view(number)),
    path("anumber", view(anumber)),
    path(
        "items/<int:id>/",
        cached_view(ttl="1m", tags=["items", "item:{id}", lambda request, **_: None])(number),
    ),
    path("rendered", view(rendered)),
    path("broken", view(broken)),
    path("stream", view(stream)),
    path("session", view(session)),
    path("language", view(language)),
    path("form", view(form)),
    path("messaged", view(messaged)),
    path("told", view(told)),
    path("sync", Sync.as_view()),
    path("async", Async.as_view()),
    path("amethod", AsyncMethod.as_view()),
    path("rest", Rest.as_view()),
    path("rest-function", view(rest_function)),
    path("twice", view(view(number))),
    path("conditional", view(conditional)),
    path("private", view(cache_control(private=True)(number))),
    path("never", view(never_cache(number))),
    path("by-cookie", view(vary_on_cookie(number))),
    path("by-header", view(vary_on_headers("X-Kind")(number))),
    path("stale", cached_view(ttl=60, stale_while_revalidate=60, stale_if_error=600)(number)),
    path("astale", cached_view(ttl=60, stale_while_revalidate=60, stale_if_error=600)(anumber)),
    path("page", cache_page(60)(number)),
    path("apage", cache_page(60)(anumber)),
    path("page-prefixed", cache_page(60, key_prefix="p")(number)),
    path("page-other", cache_page(60, cache="other")(number)),
    path("page-by-age", cache_page(None)(cache_control(max_age=10)(number))),
    path("page-rendered", cache_page(60)(rendered)),
    path("page-language", cache_page(60)(language)),
    path("page-session", cache_page(60)(session)),
    path("guarded", guarded(view(number))),
    path("plain", number),
    path("plain-session", session),
    path("plain-stream", stream),
    path("plain-language", language),
    path("fresh-language", cache_control(max_age=60)(language)),
    path("fresh-conditional", cache_control(max_age=60)(conditional)),
    path("fresh-confused", cache_control(max_age=60)(confused)),
    path("fresh-messaged", cache_control(max_age=60)(messaged)),
    path("fresh", cache_control(max_age=60)(number)),
    path("fresh-stale", cache_control(max_age=60, stale_while_revalidate=60, stale_if_error=600)(number)),
    path("afresh-stale", cache_control(max_age=60, stale_while_revalidate=60, stale_if_error=600)(anumber)),
    path("zipped", cache_control(max_age=60)(lambda request: HttpResponse("x" * 1000 + str(next(count))))),
]
