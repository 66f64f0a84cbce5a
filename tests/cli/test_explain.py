"""`cachelayer explain`."""

import json
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from cachelayer import Cache
from cachelayer.asgi import CacheMiddleware
from cachelayer.cli.explain import explained
from cachelayer.demo.serving import listen, serving
from cachelayer.http import Reason
from tests.cli.support import ask


def answer(request):
    """Answer with the fields that the query names."""
    headers = dict(request.query_params)
    return Response("text", headers=headers)


@contextmanager
def served(**options):
    """Serve the application behind a cache; gives its address."""
    app = CacheMiddleware(Starlette(routes=[Route("/", answer)]), cache=Cache(), **options)
    with listen(0) as here, serving(app, here) as url:
        yield url


def told(result):
    """Return what was printed, as one line."""
    return " ".join(result.stdout.split())


def test_a_miss_and_then_a_hit():
    """The first says that the next one will be; the exit code tells them apart [observability 14]."""
    with served() as url:
        first, second = (ask("explain", f"{url}/?Cache-Control=max-age=60") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert "miss, status 200" in told(first)
    assert "Nothing was stored for this URL. It is stored: the next request like this one is a hit." in told(
        first
    )
    assert "hit, status 200 It came from the cache. It is fresh for" in told(second)
    assert "Age 0" in told(second)


@pytest.mark.parametrize(
    ("query", "headers", "reason"),
    [
        ("Cache-Control=private", (), Reason.PRIVATE),
        ("Cache-Control=no-store", (), Reason.NO_STORE),
        ("", (), Reason.NO_FRESHNESS),
        ("Cache-Control=max-age=60&Set-Cookie=id=1", (), Reason.SET_COOKIE),
        ("Cache-Control=max-age=60", ("-H", "Authorization: Bearer secret"), Reason.AUTHORIZATION),
    ],
    ids=["private", "no-store", "silent", "set-cookie", "authorization"],
)
def test_why_a_response_is_not_stored(query, headers, reason):
    """The reason is explained, and the page named that has them all [observability 14]."""
    with served() as url:
        result = ask("explain", f"{url}/?{query}", *headers)
    assert result.exit_code == 1
    assert f"{reason.value}: {' '.join(reason.explanation.split())}" in told(result)
    assert "It is not stored." in told(result)
    assert "docs/http.md#why-not" in told(result)
    assert "secret" not in told(result)


def test_a_cookie_is_named_and_its_value_is_not():
    """It identifies somebody [observability 14]."""
    with served() as url:
        found = json.loads(ask("explain", f"{url}/?Set-Cookie=id=4711", "--json").stdout)
    assert found["fields"]["Set-Cookie"] == "id=..."


def test_json_has_all_of_it():
    """For scripts [observability 14]."""
    with served() as url:
        found = json.loads(ask("explain", f"{url}/?Cache-Control=max-age=60", "--json").stdout)
    assert (found["status"], found["answer"], found["from_cache"], found["stored"]) == (
        200,
        "miss",
        False,
        True,
    )
    assert found["cache_status"] == "cachelayer; fwd=uri-miss; stored"


def test_a_response_without_the_field():
    """There is no middleware, or it does not say [observability 14]."""
    with served(cache_status=None) as url:
        result = ask("explain", f"{url}/?Cache-Control=max-age=60")
    assert result.exit_code == 1
    assert "The answer has no Cache-Status" in told(result)


def test_a_cache_of_another_name():
    """It is chosen by its name [observability 14]."""
    with served(cache_status="edge") as url:
        unknown = ask("explain", f"{url}/")
        known = ask("explain", f"{url}/", "--cache-name", "edge")
    assert "No cache called 'cachelayer'" in told(unknown)
    assert "NO-FRESHNESS" in told(known)


@pytest.mark.parametrize(
    ("line", "answer", "from_cache", "sentence"),
    [
        ("cachelayer; hit; ttl=-3", "hit", True, "It has been stale for 3 s."),
        ("cachelayer; fwd=uri-miss; collapsed; ttl=5", "collapsed", True, "another request"),
        (
            "cachelayer; fwd=stale; fwd-status=304; stored",
            "revalidated",
            True,
            "the application confirmed it",
        ),
        ("cachelayer; fwd=stale; fwd-status=500; ttl=-9; detail=STALE-IF-ERROR", "stale", True, "failed"),
        ("cachelayer; detail=ONLY-IF-CACHED", "generated", False, "by itself"),
        ("cachelayer; fwd=vary-miss; stored", "miss", False, "Vary names"),
        ("cachelayer; fwd=bypass; detail=PAUSED", "miss", False, "not to deal with"),
        ("cachelayer; fwd=miss", "miss", False, "nothing that it could use"),
        ("cachelayer; fwd=strange; detail=ODD", "miss", False, "ODD: no word of this cache."),
        ("cachelayer; fwd=uri-miss, cdn; hit", "miss", False, "Nothing was stored"),
        ("not ! a field", "unknown", False, "No cache called"),
        ("", "unknown", False, "no Cache-Status"),
    ],
)
def test_each_form_of_the_field(line, answer, from_cache, sentence):
    """As RFC 9211 has them [observability 14]."""
    found = explained("http://host/", 200, [("Cache-Status", line)] if line else [], "cachelayer")
    assert (found.answer, found.from_cache) == (answer, from_cache)
    assert sentence in " ".join(found.sentences)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ftp://host/",), "does not begin with http"),
        (("http://name:secret@127.0.0.1:9/",), "cannot be asked"),
        (("http://host/", "-H", "no colon"), "write it as 'Name: value'"),
        ((), "Missing argument 'URL'"),
    ],
    ids=["scheme", "nobody there", "header", "nothing"],
)
def test_what_cannot_be_asked_exits_with_2(arguments, said):
    """One message says why, without passwords [observability 14]."""
    result = ask("explain", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "secret" not in result.stderr
