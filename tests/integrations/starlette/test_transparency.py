"""What the specification of ASGI allows, and frameworks' own test suites do, goes through unchanged [http 19]."""

import asyncio

import pytest
from cachelayer_starlette import CacheMiddleware
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from cachelayer import Cache, OptionTypeError


class Page(HTTPEndpoint):
    """An application that is a class: its instances are awaited."""

    async def get(self, request):
        """Answer with something fresh."""
        return PlainTextResponse("a", headers={"cache-control": "max-age=60"})


def test_a_class_whose_instances_are_awaited_is_an_application():
    """As the endpoints of Starlette are."""
    client = TestClient(CacheMiddleware(Page, cache=Cache()))
    assert [client.get("/").text for _ in range(2)] == ["a", "a"]
    assert "hit" in client.get("/").headers["cache-status"]


def test_any_other_class_is_not():
    """It is what `add_middleware` would take, rather than an application."""
    with pytest.raises(OptionTypeError, match="must be an ASGI application"):
        CacheMiddleware(CacheMiddleware)


@pytest.mark.parametrize("host", [True, False], ids=["with Host", "without Host"])
def test_an_application_gets_fields_that_can_be_gone_through_once_only(host):
    """The specification asks for iterables: of fields, of name and value, of the server's address and port."""
    got = []
    fields = [(b"host", b"example.org"), (b"x-a", b"1")] if host else [(b"x-a", b"1")]

    async def app(scope, receive, send):
        got.append(([tuple(field) for field in scope["headers"]], tuple(scope["server"])))
        await PlainTextResponse("a")(scope, receive, send)

    async def send(message):
        pass

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": iter([iter(field) for field in fields]),
        "server": iter(["example.org", 80]),
    }
    asyncio.run(CacheMiddleware(app, cache=Cache())(scope, None, send))
    assert got == [(fields, ("example.org", 80))]
