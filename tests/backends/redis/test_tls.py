"""Redis over TLS."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cachelayer.backends.redis import RedisBackend
from cachelayer.errors import BackendError
from tests.servers.redis import TlsRedisServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Signs certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[TlsRedisServer]:
    """A server that speaks TLS, and asks for its clients' certificates."""
    with TlsRedisServer(authority) as made:
        yield made


@pytest.fixture
def query(authority: trustme.CA, tmp_path: Path) -> str:
    """Return the options with which a client is let in."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("client")
    own.private_key_pem.write_to_path(tmp_path / "client.key")
    own.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    return (
        f"ssl_ca_certs={tmp_path}/ca.pem&ssl_certfile={tmp_path}/client.pem&ssl_keyfile={tmp_path}/client.key"
    )


@pytest.mark.parametrize("protocol", [2, 3])
def test_tls_with_a_client_certificate(server: TlsRedisServer, query: str, protocol: int):
    """rediss:// with a CA and a client's certificate works in both colours and over both protocols (26)."""

    async def use(backend: RedisBackend) -> bytes | None:
        async with backend:
            return await backend.aget("key")

    backend = RedisBackend(f"rediss://localhost:{server.port}?{query}&protocol={protocol}", timeout=5)
    assert backend.set("key", b"value" * 10_000)
    assert asyncio.run(use(backend)) == b"value" * 10_000


def test_an_unknown_authority_is_refused(server: TlsRedisServer, query: str):
    """A server whose certificate nobody vouches for is not talked to, and the error says what to look at."""
    _, _, own = query.partition("&")
    with (
        RedisBackend(f"rediss://localhost:{server.port}?{own}", timeout=5) as backend,
        pytest.raises(BackendError, match=r"TLS failed: .*ssl_"),
    ):
        backend.get("key")


def test_the_name_is_checked(server: TlsRedisServer, query: str):
    """A certificate for another name is refused by default, whatever version of redis-py is installed."""
    with (
        RedisBackend(f"rediss://127.0.0.1:{server.port}?{query}", timeout=5) as backend,
        pytest.raises(BackendError, match="TLS failed"),
    ):
        backend.get("key")


def test_a_loop_that_was_only_closed_leaves_no_warning(server: TlsRedisServer, query: str):
    """The connections of a loop that had no last turn are closed under TLS too (25)."""
    backend = RedisBackend(f"rediss://localhost:{server.port}?{query}", timeout=5)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(backend.aset("key", b"value"))
    loop.close()
    backend.close()
