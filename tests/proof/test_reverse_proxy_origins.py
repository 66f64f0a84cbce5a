"""Origins that are away, silent, or not who they should be: what the reverse proxies say in their place."""

import asyncio
import socket
import ssl
import threading

import pytest
import trustme

from tests.proof.proxies import EXAMPLES
from tests.servers.processes import HOST, free_port


def ask_asgi(proxy):
    """Return the status of a GET, through an ASGI application."""
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"host", b"example.org")], "http_version": "1.1", "client": ("127.0.0.1", 5000),
    }  # fmt: skip
    sent = []

    async def run():
        asked = asyncio.Event()

        async def receive():
            if asked.is_set():
                await asyncio.Event().wait()  # the client stays
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        await proxy(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"]


def ask_wsgi(proxy):
    """Return the status of a GET, through a WSGI application."""
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "", "HTTP_HOST": "example.org",
        "wsgi.url_scheme": "http", "wsgi.input": None,
    }  # fmt: skip
    statuses = []
    result = proxy(environ, lambda status, headers: statuses.append(status))
    list(result)
    if hasattr(result, "close"):
        result.close()
    return int(statuses[0].split(" ")[0])


@pytest.fixture(params=["asgi", "wsgi"])
def status_for(request, monkeypatch):
    """Ask a reverse proxy of one kind before an origin: `status_for(url, timeout)`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delenv("ORIGIN", raising=False)
    if request.param == "asgi":
        from reverse_proxy_asgi import Origin, ReverseProxy

        return lambda url, timeout: ask_asgi(ReverseProxy(Origin(url, timeout)))
    from reverse_proxy_wsgi import Origin, ReverseProxy

    return lambda url, timeout: ask_wsgi(ReverseProxy(Origin(url, timeout)))


def test_an_origin_that_is_not_there_is_a_bad_gateway(status_for):
    """Nobody listens."""
    assert status_for(f"http://{HOST}:{free_port()}", 10.0) == 502


def test_a_name_that_means_nothing_is_a_bad_gateway(status_for):
    """There is no such host."""
    assert status_for("http://origin.invalid", 10.0) == 502


def test_an_origin_that_says_nothing_is_a_timeout(status_for):
    """It takes the connection, by the kernel, and is silent."""
    with socket.create_server((HOST, 0)) as silent:
        assert status_for(f"http://{HOST}:{silent.getsockname()[1]}", 0.2) == 504


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_an_origin_over_tls_must_be_who_it_says(status_for, monkeypatch, known):
    """With a certificate that nobody vouches for it is a bad gateway."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    real = ssl.create_default_context

    def vouched():
        found = real()
        authority.configure_trust(found)
        return found

    with socket.create_server((HOST, 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(65536)
                    tls.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except ssl.SSLError:
                connection.close()  # the proxy does not trust it

        thread = threading.Thread(target=serve)
        thread.start()
        if known:
            monkeypatch.setattr(ssl, "create_default_context", vouched)
        status = status_for(f"https://{HOST}:{listener.getsockname()[1]}", 10.0)
        thread.join()
    assert status == (204 if known else 502)
