"""What goes through the ASGI middleware unchanged: http.md, point 19."""

import pytest

from tests.asgi.support import BODY, START, Server, body, scope, sends, start

NOTHING = {"type": START, "status": 200, "headers": [(b"X-Case", b"1"), (b"x-case", b"2")]}


@pytest.mark.parametrize("kind", ["websocket", "lifespan", "something-new"])
def test_other_connections_are_handed_over_as_they_are(kind):
    """The very same scope, receive and send."""
    seen = []

    async def app(*args):
        seen.append(args)

    async def receive():
        """Never called."""

    async def send(message):
        """Never called."""

    asked = {"type": kind}
    Server(app).send(asked, receive, send)
    assert seen == [(asked, receive, send)]


def test_a_bypassed_request_is_handed_over_as_it_is():
    """A request with a precondition gets the server's own receive and send: its messages go out untouched."""
    seen = []

    async def app(scope, receive, send):
        seen.append((receive, send))

    async def receive():
        """Never called."""

    async def send(message):
        """Never called."""

    Server(app).send(scope("/a", (b"if-match", b"x")), receive, send)
    assert seen == [(receive, send)]


def test_without_cache_status_an_uncacheable_response_is_untouched():
    """Every message is the very object that the application sent."""
    messages = [NOTHING, body(b"a", more=True), {"type": BODY}]
    sent = Server(sends(*messages), cache_status=None).send()
    assert [one is other for one, other in zip(sent, messages, strict=True)] == [True] * 3


def test_with_cache_status_only_one_line_is_added():
    """In a new message: the application's own stays as it was."""
    sent = Server(sends(NOTHING, body(b"a"))).send()
    assert sent[0]["headers"][:-1] == NOTHING["headers"]
    assert sent[0]["headers"][-1][0] == b"cache-status"
    assert len(NOTHING["headers"]) == 2


@pytest.mark.parametrize(
    "extra",
    [
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.early_hint", "links": [b"</a.css>"]},
        {"type": "http.response.push", "path": "/a", "headers": []},
    ],
    ids=lambda extra: extra["type"],
)
def test_other_messages_pass_and_harm_nothing(extra):
    """Before the response or in it; the response is stored."""
    server = Server(sends(extra, start(), extra, body(b"a")))
    sent = server.send()
    assert [message["type"] for message in sent] == [extra["type"], START, extra["type"], BODY]
    assert sent[0] is extra
    server.send()
    assert server.outcomes == {"miss": 1, "hit": 1}


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"type": "http.response.pathsend", "path": "/etc/hostname"},
        {"type": "http.response.zerocopysend", "file": 3},
    ],
    ids=lambda message: message["type"],
)
def test_a_body_that_the_server_takes_from_a_file_is_not_stored(elsewhere):
    """It never passes by here; the messages do, unchanged."""
    server = Server(sends(start(), elsewhere))
    for _ in range(2):
        assert server.send()[1] is elsewhere
    assert server.app.calls == 2
    assert server.middleware.stats().total.reasons == {"SENT-AS-FILE": 2}


def test_a_response_with_trailers_is_not_stored():
    """They pass unchanged, after the body; a hit would not have them."""
    trailers = {"type": "http.response.trailers", "headers": [(b"x", b"1")]}
    server = Server(sends(start(trailers=True), body(b"a"), trailers))
    for _ in range(2):
        sent = server.send()
        assert (sent[0]["trailers"], sent[-1]) == (True, trailers)
    assert server.middleware.stats().total.reasons == {"TRAILERS": 2}


@pytest.mark.parametrize(
    "headers",
    [
        [("x", "1")],
        [(b"cache-control", "max-age=60")],
        [b"x"],
        5,
        [(b"a", b"b", b"c")],
        [(bytearray(b"cache-control"), b"")],
    ],
    ids=["text", "text value", "no pair", "number", "triple", "bytearray"],
)
def test_a_malformed_response_goes_on_to_the_server(headers):
    """Which will say what it thinks of it; it is not stored."""
    server = Server(
        sends({"type": START, "status": 200, "headers": headers}, body()), default_ttl=60, cache_status=None
    )
    assert server.send()[0]["headers"] == headers
    server.send()
    assert server.app.calls == 2


def test_a_response_without_status_goes_on_to_the_server():
    """As above."""
    assert Server(sends({"type": START}, body())).send()[0] == {"type": START}


@pytest.mark.parametrize(
    "asked",
    [
        scope(path="/\ud800", raw_path=b"/%ED%A0%80"),
        scope(raw_path=b"/%zz%00\xff"),
        scope(path="*", raw_path=b"*"),
        scope(path="", raw_path=b""),
        scope(headers=[(b"host", b"a"), (b"host", b"b")]),
        scope(headers=[(b"host", b"\xff\x00 /")]),
        scope(headers=[]),
        scope(headers=[], server=None),
        scope(headers=[], server=("/run/app.sock", None)),
        scope(headers=[], server=("::1", 8000)),
        scope(method="\x00"),
        {
            key: value
            for key, value in scope().items()
            if key not in ("raw_path", "query_string", "scheme", "server")
        },
    ],
    ids=range(12),
)
def test_an_odd_request_never_fails_here(asked):
    """The application answers it."""
    server = Server(sends(start(), body(b"a")))
    for _ in range(2):
        assert server.send(asked)[-1]["body"] == b"a"


def test_requests_without_host_are_told_apart_by_the_server_they_reached():
    """HTTP/1.0 has no Host; the server's own name stands in."""
    server = Server(sends(start(), body(b"a")))
    for port in (80, 80, 81):
        server.send(scope(headers=[], server=("10.0.0.1", port)))
    assert server.app.calls == 2


def test_a_path_that_was_rewritten_before_is_keyed_by_both():
    """An application behind a prefix-stripping dispatcher does not share entries with its neighbour."""
    server = Server(sends(start(), body(b"a")))
    for raw in (b"/one/x", b"/two/x", b"/one/x"):
        server.send(scope(path="/x", raw_path=raw))
    server.send(scope(path="/y", raw_path=b"/one/x"))
    assert server.app.calls == 3
