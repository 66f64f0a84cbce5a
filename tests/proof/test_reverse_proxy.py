"""The reverse proxies pass everything a proxy passes: real HTTP over loopback, compared byte for byte at the origin."""

import itertools
import queue
import select
import socket
import threading
import zlib

import pytest

from tests.proof.origin import response
from tests.proof.wire import PATIENCE, Message, ask, converse, read_response, request_bytes

numbers = itertools.count(1)

#: Lines that servers and proxies add to a response.
ADDED = {"date", "server", "connection", "transfer-encoding", "via", "cache-status"}
#: And to a request.
TOLD = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via", "connection", "host"}

METHODS = (
    "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "BREW", "M-SEARCH", "purge",
    "Get",
)  # fmt: skip

TARGETS = (
    "/a%2Fb", "/a//b", "/a/../b/./c", "/%E2%98%83", "/%e2%98%83", "/;v=1/x;y", "/~!$&'()*+,;=:@-._", "/%00%0A", "/%zz",
    "/q?", "/q?a=1&a=2&b", "/q?x=%20+%2B", "/q?%zz&==&&", "/q??", "/q?a/b?c", "/q?[]{}|^", f"/{'l' * 4000}",
)  # fmt: skip

STATUSES = (
    *(200, 201, 202, 203, 204, 205, 207, 226, 299, 300, 301, 302, 303, 304, 305, 307, 308, 399),
    *(
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        409,
        410,
        411,
        412,
        413,
        415,
        416,
        417,
        418,
        421,
        422,
        425,
        426,
        428,
    ),
    *(429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520, 599),
)

LENGTHS = (0, 1, 65535, 65536, 65537, 1_000_000)


@pytest.fixture
def path(proxy):
    """A path that no other request has."""
    return f"/{proxy.kind}/{next(numbers)}"


def own(message: Message, added: set[str]) -> list[tuple[str, str]]:
    """Return the lines that the sender wrote, names in lower case."""
    return [(name.lower(), value) for name, value in message.lines if name.lower() not in added]


def chunked(parts: list[bytes], trailer: str = "") -> bytes:
    """Return a body in chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return chunks + f"0\r\n{trailer}\r\n".encode()


def content(length: int) -> bytes:
    """Return bytes in which a missing or doubled part shows."""
    return (b"".join(b"%07d\n" % number for number in range(length // 8 + 1)))[:length]


# -- requests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_any_method_passes(proxy, origin, path, method):
    """Known or not, in any case: methods are case-sensitive."""
    origin.on(path, response("200 OK"))
    assert ask(proxy.port, method, path).status == 200
    assert [request.method for request in origin.asked(path)] == [method]


def test_no_tunnel_is_opened(proxy):
    """CONNECT is not for a reverse proxy."""
    assert ask(proxy.port, "CONNECT", "example.org:443").status in (400, 501)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_passes_as_sent(proxy, origin, path, target):
    """Nothing of path and query is decoded, encoded or normalised. That a query is empty, ASGI does not tell."""
    sent = path + target
    asked = path + target.partition("?")[0]
    origin.on(asked, response("200 OK"))
    assert ask(proxy.port, "GET", sent).status == 200
    lost = "?" if proxy.kind == "uvicorn" and target == "/q?" else ""
    assert [request.target for request in origin.asked(asked)] == [sent.removesuffix(lost)]


def test_an_absolute_target_is_one_of_this_host(proxy, origin, path):
    """Its path is what counts (RFC 9112, section 3.2.2)."""
    origin.on(path, response("200 OK"))
    ask(proxy.port, "GET", f"http://example.org{path}?a")
    assert [request.target for request in origin.asked(path)] == [f"{path}?a"]


def test_a_request_that_names_two_hosts_is_refused(proxy, origin, path):
    """The cache goes by one of them, the origin might by the other."""
    assert ask(proxy.port, "GET", f"http://evil.test{path}").status == 400
    assert origin.asked(path) == []


def test_options_of_the_whole_server_pass(proxy, origin):
    """The target is an asterisk."""
    before = len(origin.asked("*"))
    ask(proxy.port, "OPTIONS", "*")
    assert [request.method for request in origin.asked("*")[before:]] == ["OPTIONS"]


def test_request_fields_pass_in_their_order(proxy, origin, path):
    """Repeated ones too; WSGI joins them and tells no order."""
    origin.on(path, response("200 OK"))
    lines = ("X-B: 2", "Accept: a/b", "X-A: 1", "X-A: ", "X-B: 1, 3", "User-Agent: me", "X-Bytes: \xe9\xff")
    ask(proxy.port, "GET", path, *lines)
    [request] = origin.asked(path)
    sent = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    if proxy.kind == "uvicorn":
        assert own(request, TOLD) == sent
    else:
        joined = {name: ",".join(value for field, value in sent if field == name) for name, _ in sent}
        assert dict(own(request, TOLD)) == joined


def test_the_origin_hears_of_the_client(proxy, origin, path):
    """By X-Forwarded-*, Forwarded and Via, after what proxies before have said."""
    origin.on(path, response("200 OK"))
    ask(
        proxy.port, "GET", path, "Host: shop.test:81",
        "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil.test", "Via: 1.0 first", "Forwarded: for=10.0.0.1",
    )  # fmt: skip
    [request] = origin.asked(path)
    assert request.get("host") == "shop.test:81"
    assert request.get("x-forwarded-for") == "10.0.0.1, 127.0.0.1"
    assert request.get("x-forwarded-host") == "shop.test:81"
    assert request.get("x-forwarded-proto") == "http"
    assert request.get("forwarded") == 'for=10.0.0.1, for=127.0.0.1;host="shop.test:81";proto=http'
    assert request.get("via") == "1.0 first, 1.1 reverse-proxy"


def test_fields_of_one_connection_do_not_reach_the_origin(proxy, origin, path):
    """Neither the known ones nor those that Connection names."""
    origin.on(path, response("200 OK"))
    request = (
        f"GET {path} HTTP/1.1\r\nHost: example.org\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Yours: 2\r\n"
        "Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: close\r\n\r\n"
    )
    converse(proxy.port, request.encode())
    [asked] = origin.asked(path)
    assert dict(own(asked, TOLD)) == {"x-yours": "2"}


@pytest.mark.parametrize("length", LENGTHS)
def test_a_request_body_passes(proxy, origin, path, length):
    """Of any length, told by Content-Length."""
    origin.on(path, response("200 OK"))
    body = content(length)
    ask(
        proxy.port,
        "POST",
        path,
        "Content-Type: text/x-numbers",
        *([] if body else ["Content-Length: 0"]),
        body=body,
    )
    [request] = origin.asked(path)
    assert (request.body == body, request.whole) == (True, True)
    assert (request.get("content-length"), request.get("content-type")) == (str(length), "text/x-numbers")


@pytest.mark.parametrize("length", LENGTHS)
def test_a_request_body_in_chunks_passes(proxy, origin, path, length):
    """Of any length, which nobody tells."""
    origin.on(path, response("200 OK"))
    body = content(length)
    sent = chunked([body[:10], body[10:]])
    ask(proxy.port, "POST", path, "Transfer-Encoding: chunked", body=sent)
    [request] = origin.asked(path)
    assert (request.body == body, request.whole) == (True, True)
    assert request.get("content-length") is None


def test_a_body_is_sent_when_the_server_says_continue(proxy, origin, path):
    """The client of `Expect: 100-continue` gets its go, and the origin the body."""
    origin.on(path, response("200 OK"))
    head = request_bytes("PUT", path, ["Expect: 100-continue", "Content-Length: 5"])
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as connection:
        connection.sendall(head)
        with connection.makefile("rb") as stream:
            assert stream.readline().startswith(b"HTTP/1.1 100")
            assert stream.readline() == b"\r\n"
            connection.sendall(b"hello")
            assert read_response(stream, "PUT").status == 200
    assert [request.body for request in origin.asked(path)] == [b"hello"]


def test_max_forwards_counts_down(proxy, origin, path):
    """For OPTIONS and TRACE only, and at zero this proxy is the last (RFC 9110, section 7.6.2)."""
    origin.on(path, response("200 OK"))
    ask(proxy.port, "OPTIONS", path, "Max-Forwards: 5")
    ask(proxy.port, "GET", path, "Max-Forwards: 5")
    assert [request.get("max-forwards") for request in origin.asked(path)] == ["4", "5"]
    assert ask(proxy.port, "OPTIONS", path, "Max-Forwards: 0").status == 204
    assert ask(proxy.port, "TRACE", path, "Max-Forwards: 0").status == 501
    assert len(origin.asked(path)) == 2


def test_an_answer_that_comes_early_ends_the_upload(proxy, origin, path):
    """The origin has seen enough, says so, and reads no further."""
    heard = queue.SimpleQueue()

    def refuse(request, connection):
        connection.send(response("413 Content Too Large", "Connection: close", body=b"enough"))
        # Until the proxy hangs up, so that the kernel resets nothing before the answer is read.
        heard.put(sum(map(len, iter(connection.receive, b""))))

    origin.on(path, refuse, leave_body=True)
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as connection:
        connection.sendall(request_bytes("POST", path, [f"Content-Length: {LONG}"]))
        # Not more than is read: what a server has not read when it hangs up would reset the connection.
        connection.sendall(b"x" * 65536)
        while not select.select([connection], [], [], 0.5)[0]:
            connection.sendall(b"x" * 65536)
        with connection.makefile("rb") as stream:
            assert stream.readline().startswith(b"HTTP/1.1 413")
    assert heard.get(timeout=PATIENCE) < LONG


# -- responses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATUSES)
def test_any_status_passes(proxy, origin, path, status):
    """Known or not, with its fields and body; with its reason phrase where the interface has one."""
    body = b"" if status in (204, 205, 304) else b"body"
    origin.on(path, response(f"{status} As It Were", "X-It: 1", body=body, length=bool(body)))
    answer = ask(proxy.port, "GET", path)
    assert (answer.status, answer.body, answer.get("x-it")) == (status, body, "1")
    if proxy.kind == "gunicorn":
        assert answer.phrase == "As It Were"


def test_response_fields_pass_in_their_order(proxy, origin, path):
    """Repeated ones too, byte for byte."""
    lines = [
        "X-B: 2", "Set-Cookie: a=1; Path=/", "X-A: 1", "Set-Cookie: b=2", "X-Empty: ", "X-B: 1, 3", "X-Bytes: \xe9\xff",
        "Link: </a>; rel=next", "Content-Type: text/plain", "ETag: W/\"\"", "Last-Modified: yesterday",
    ]  # fmt: skip
    origin.on(path, response("200 OK", *lines, body=b"x"))
    answer = ask(proxy.port, "GET", path)
    sent = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    assert own(answer, ADDED) == [*sent, ("content-length", "1")]


def test_fields_of_one_connection_do_not_reach_the_client(proxy, origin, path):
    """Neither the known ones nor those that Connection names."""
    lines = (
        "Connection: X-Mine, close", "X-Mine: 1", "X-Yours: 2", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic",
        "Trailer: X-End", "Upgrade: h2c", "Proxy-Connection: close",
    )  # fmt: skip
    origin.on(path, response("200 OK", *lines))
    assert own(ask(proxy.port, "GET", path), ADDED) == [("x-yours", "2"), ("content-length", "0")]


def test_the_client_hears_of_the_proxy(proxy, origin, path):
    """By Via, with the version that the origin spoke; and Date is added where the origin has no clock."""
    origin.on(path, b"HTTP/1.0 200 OK\r\nVia: 1.1 inner\r\n\r\nold")
    answer = ask(proxy.port, "GET", path)
    assert (answer.get("via"), answer.body) == ("1.1 inner, 1.0 reverse-proxy", b"old")
    assert answer.get("date")


def test_the_origins_date_passes(proxy, origin, path):
    """The proxy does not replace it; gunicorn does, whatever an application says."""
    date = "Tue, 15 Nov 1994 08:12:31 GMT"
    origin.on(path, response("200 OK", f"Date: {date}"))
    dates = ask(proxy.port, "GET", path).values("date")
    assert len(dates) == 1
    assert dates == [date] or proxy.kind == "gunicorn"


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("framing", ["sized", "chunked", "until closed"])
def test_a_response_body_passes(proxy, origin, path, framing, length):
    """Of any length, however its end is told."""
    body = content(length)
    if framing == "chunked":
        answer = response("200 OK", "Transfer-Encoding: chunked", length=False) + chunked(
            [body[:7], body[7:]]
        )
    else:
        answer = response("200 OK", body=body, length=framing == "sized")
    origin.on(path, answer)
    got = ask(proxy.port, "GET", path)
    assert (got.body == body, got.whole) == (True, True)
    assert got.get("content-length") == (str(length) if framing == "sized" else None)


def test_the_head_of_a_page_has_its_length_and_no_body(proxy, origin, path):
    """The connection to the origin is not read for a body that does not come."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
    origin.on(path, head)
    answer = ask(proxy.port, "HEAD", path)
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "12345", b"")


def test_a_304_to_the_clients_own_condition_passes(proxy, origin, path):
    """What the client asked about is the client's affair."""
    origin.on(path, b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n')
    answer = ask(proxy.port, "GET", path, 'If-None-Match: "x"')
    assert (answer.status, answer.get("etag")) == (304, '"x"')
    assert [request.get("if-none-match") for request in origin.asked(path)] == ['"x"']


def test_a_part_passes(proxy, origin, path):
    """The range is the origin's to give."""
    origin.on(path, response("206 Partial Content", "Content-Range: bytes 0-1/10", body=b"he"))
    answer = ask(proxy.port, "GET", path, "Range: bytes=0-1")
    assert (answer.status, answer.get("content-range"), answer.body) == (206, "bytes 0-1/10", b"he")
    assert [request.get("range") for request in origin.asked(path)] == ["bytes=0-1"]


def test_nothing_is_decompressed(proxy, origin, path):
    """A body passes as it is encoded, also where the encoding is unknown or broken."""
    packed = zlib.compress(b"hello" * 100)[:-3]
    origin.on(path, response("200 OK", "Content-Encoding: deflate, x-own", body=packed))
    answer = ask(proxy.port, "GET", path, "Accept-Encoding: deflate")
    assert (answer.get("content-encoding"), answer.body) == ("deflate, x-own", packed)
    assert [request.get("accept-encoding") for request in origin.asked(path)] == ["deflate"]


def test_trailers_are_left_out(proxy, origin, path):
    """The client did not ask for them, and the body is whole without."""
    head = response("200 OK", "Transfer-Encoding: chunked", "Trailer: X-End", length=False)
    origin.on(path, head + chunked([b"hello"], "X-End: 1\r\n"))
    answer = ask(proxy.port, "GET", path)
    assert (answer.body, answer.whole, answer.get("trailer"), answer.get("x-end")) == (
        b"hello",
        True,
        None,
        None,
    )


def test_interim_responses_do_not_end_the_request(proxy, origin, path):
    """Early hints reach the client where the interface can tell them; of others only the final response counts."""
    hints = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    origin.on(path, hints + response("200 OK", body=b"final"))
    answer = ask(proxy.port, "GET", path)
    assert (answer.status, answer.body) == (200, b"final")
    if proxy.kind == "gunicorn":
        [(start, lines)] = answer.interim
        assert (start, lines) == ("HTTP/1.1 103 Early Hints", [("Link", "</a.css>; rel=preload")])


def test_a_hit_is_the_miss_on_the_wire(proxy, origin, path):
    """Lines that the origin wrote, repeated ones and their order included, and the body [http 8, 23]."""
    lines = [
        "Cache-Control: max-age=60",
        "X-B: 2",
        "X-A: 1",
        "X-B: 1",
        "Link: </a>",
        "Link: </b>",
        "X-Bytes: \xe9",
    ]
    origin.on(path, response("200 Fine", *lines, body=content(100_000)))
    miss, hit = ask(proxy.port, "GET", path), ask(proxy.port, "GET", path)
    assert len(origin.asked(path)) == 1
    assert own(hit, ADDED | {"age"}) == own(miss, ADDED)
    assert (hit.start, hit.body) == (miss.start, miss.body)
    assert hit.get("via") == miss.get("via") == "1.1 reverse-proxy"
    if proxy.kind == "uvicorn":  # gunicorn has a Date of its own for each
        assert hit.get("date") == miss.get("date")


# -- failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX\x00: 1\r\n\r\n", id="a name that is none"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n", id="a control character"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", id="a switch nobody asked for"
        ),
        pytest.param(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", id="a status out of range"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000 + b"\r\n\r\n", id="an endless head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="a length that is none"),
    ],
)
def test_an_origin_that_breaks_the_protocol_is_a_bad_gateway(proxy, origin, path, answer):
    """The client gets a 502, and the server goes on."""
    origin.on(path, answer)
    assert ask(proxy.port, "GET", path).status == 502


@pytest.mark.parametrize(
    "head", ["Content-Length: 100", "Transfer-Encoding: chunked"], ids=["sized", "chunked"]
)
def test_a_body_that_is_cut_off_is_no_whole_one(proxy, origin, path, head):
    """The client's body ends early too, and nothing of it is stored [http 20]."""
    part = b"5\r\nhello\r\n" if "chunked" in head else b"hello"
    cut = response("200 OK", head, "Cache-Control: max-age=60", length=False) + part
    origin.on(path, cut, response("200 OK", "Cache-Control: max-age=60", body=b"whole"))
    first, second = ask(proxy.port, "GET", path), ask(proxy.port, "GET", path)
    assert (first.body, first.whole) == (b"hello", False)
    assert (second.body, second.whole) == (b"whole", True)


def test_a_client_that_leaves_takes_its_request_along(proxy, origin, path):
    """The connection to the origin ends when the client has gone; nothing is stored [http 20]."""
    ended = threading.Event()

    def drip(request, connection):
        connection.send(
            response("200 OK", "Cache-Control: max-age=60", "Transfer-Encoding: chunked", length=False)
        )
        try:
            # A WSGI server notices only when it sends.
            while proxy.kind == "gunicorn":
                connection.send(chunked([b"x" * 1000])[:-5])
            connection.send(b"1\r\nx\r\n")
            assert connection.receive() == b""
        except ConnectionError:
            pass
        ended.set()

    origin.on(path, drip)
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as connection:
        connection.sendall(request_bytes("GET", path, []))
        assert connection.recv(100)
    assert ended.wait(PATIENCE)
    origin.on(path, response("200 OK", body=b"anew"))
    assert ask(proxy.port, "GET", path).body == b"anew"


# -- streams ----------------------------------------------------------------------------------------------------


def test_the_first_byte_is_not_held_back(proxy, origin, path):
    """The client reads a part before the origin has written the next [http 19]."""
    seen = threading.Event()

    def in_two_parts(request, connection):
        connection.send(
            response("200 OK", "Transfer-Encoding: chunked", "Cache-Control: max-age=60", length=False)
        )
        connection.send(b"5\r\nfirst\r\n")
        assert seen.wait(PATIENCE)
        connection.send(b"6\r\nsecond\r\n0\r\n\r\n")

    origin.on(path, in_two_parts)
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as connection:
        connection.sendall(request_bytes("GET", path, []))
        got = b""
        while b"first" not in got:
            got += connection.recv(4096)
        seen.set()
        while not got.endswith(b"0\r\n\r\n"):
            got += connection.recv(4096)
    assert b"second" in got
    assert ask(proxy.port, "GET", path).body == b"firstsecond"
    assert len(origin.asked(path)) == 1


#: Long enough that keeping it would show, and short enough to wait for.
LONG = 200 * 2**20


def test_a_very_long_download_leaves_memory_flat(proxy, origin, path):
    """It streams through, unstored since it is larger than `max_body_bytes` [http 19]."""
    part = b"x" * 2**20

    def flood(request, connection):
        connection.send(
            response("200 OK", "Cache-Control: max-age=60", f"Content-Length: {LONG}", length=False)
        )
        for _ in range(LONG // len(part)):
            connection.send(part)

    origin.on(path, flood)
    before = proxy.peak
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as connection:
        connection.sendall(request_bytes("GET", path, []))
        got = 0
        while data := connection.recv(2**20):
            got += len(data)
    assert got > LONG
    assert proxy.peak - before < 32 * 2**20


def test_a_very_long_upload_leaves_memory_flat(proxy, origin, path):
    """It streams through."""
    got = []

    def swallow(request, connection):
        left = LONG
        while left and (data := connection.receive()):
            left -= len(data)
        got.append(left)
        connection.send(response("200 OK"))

    origin.on(path, swallow, leave_body=True)
    before = proxy.peak
    with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as connection:
        connection.sendall(request_bytes("PUT", path, [f"Content-Length: {LONG}"]))
        part = b"x" * 2**20
        for _ in range(LONG // len(part)):
            connection.sendall(part)
        with connection.makefile("rb") as stream:
            assert read_response(stream, "PUT").status == 200
    assert got == [0]
    assert proxy.peak - before < 32 * 2**20
