"""The URLs of every store: which backend each makes, that it works, what an unknown one says, what none ever shows."""

import asyncio
import copy
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import redis
import trustme

from cachelayer import Cache, cached
from cachelayer.backends import CacheBackend, InMemoryBackend, backend_from_url
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.null import NullBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.resilience import ResilientBackend
from cachelayer.backends.tiered import TieredBackend
from cachelayer.backends.url import mask_passwords
from cachelayer.errors import BackendClosedError, BackendError, ConfigurationError
from tests.servers.processes import HOST, free_port
from tests.servers.redis import RedisServer, Sentinels, TlsRedisServer, redis_sentinels

# -- which backend ----------------------------------------------------------------------------------------------

_KINDS: Final[dict[str, type[CacheBackend]]] = {
    "memory://?max_size_bytes=1000": InMemoryBackend,
    "null://": NullBackend,
    "memcached://h1,h2": MemcachedBackend,
    "memcached:///run/memcached.sock": MemcachedBackend,
    "tiered://?l1=memory://&l2=redis://host": TieredBackend,
    "unix:///run/redis.sock": RedisBackend,
    **{
        f"{base}{suffix}": RedisBackend
        for base in ("redis", "rediss", "valkey", "valkeys")
        for suffix in ("://host:6379/0", "+cluster://h1:7000,h2:7001", "+sentinel://h1:26379,h2/main")
    },
}


@pytest.mark.parametrize(("url", "kind"), _KINDS.items())
def test_a_url_makes_its_backend(url: str, kind: type[CacheBackend]):
    """Each scheme has its class, and none looks for a server before it is used (26)."""
    with backend_from_url(url) as backend:
        assert type(backend) is kind


def test_an_unknown_scheme_lists_every_one_there_is():
    """The error of a scheme that nobody knows names all that somebody does (26)."""
    with pytest.raises(ConfigurationError) as caught:
        backend_from_url("reddis://host")
    for url in (*_KINDS, "disk://"):
        assert f" {url.partition('://')[0]}://" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host?socket_keepalive=perhaps", "socket_keepalive='perhaps': give true or false"),
        ("memcached://host?split=perhaps", "split='perhaps': give true or false"),
    ],
)
def test_a_flag_says_what_it_may_be(url: str, words: str):
    """What is on or off is not called a number (26)."""
    with pytest.raises(ConfigurationError, match=words):
        backend_from_url(url)


# -- each of them at work ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched() -> Iterator[Sentinels]:
    """A primary under sentinels that no test here lets die."""
    with redis_sentinels() as made:
        yield made


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give where a server listens that speaks TLS, with the query that its clients need."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    own = authority.issue_cert("client")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own.private_key_pem.write_to_path(folder / "client.key")
    own.cert_chain_pems[0].write_to_path(folder / "client.pem")
    query = f"ssl_ca_certs={folder}/ca.pem&ssl_certfile={folder}/client.pem&ssl_keyfile={folder}/client.key"
    with TlsRedisServer(authority) as server:
        yield f"localhost:{server.port}?{query}"


_Values = Mapping[str, Any]
_AT_WORK: Final[dict[str, Callable[[_Values], str]]] = {
    "redis": lambda at: f"redis://{HOST}:{at['redis_server'].port}?",
    "valkey": lambda at: f"valkey://{HOST}:{at['redis_server'].port}/1?",
    "rediss": lambda at: f"rediss://{at['tls']}&",
    "redis+cluster": lambda at: f"redis+cluster://{_hosts(at['redis_nodes'])}?",
    "redis+sentinel": lambda at: f"redis+sentinel://{at['watched'].hosts}/{at['watched'].name}?",
    "memcached": lambda at: f"memcached://{','.join(server.address for server in at['memcached_pair'])}?",
    "disk": lambda at: f"disk://{at['tmp_path']}/cache.db?",
    "memory": lambda at: "memory://?max_size_bytes=1000000",
    "tiered": lambda at: f"tiered://?l1=memory://&l2=redis://{HOST}:{at['redis_server'].port}?",
}
_NEEDS: Final = {
    "redis": "redis_server",
    "valkey": "redis_server",
    "rediss": "tls",
    "redis+cluster": "redis_nodes",
    "redis+sentinel": "watched",
    "memcached": "memcached_pair",
    "disk": "tmp_path",
    "tiered": "redis_server",
}


def _hosts(nodes: list[RedisServer]) -> str:
    return ",".join(f"{HOST}:{node.port}" for node in nodes)


@pytest.mark.parametrize("form", _AT_WORK)
def test_a_backend_by_url_works(request: pytest.FixtureRequest, form: str):
    """Every form that is documented reaches a real store, in both colours (26)."""
    needed = {name: request.getfixturevalue(name) for name in (_NEEDS.get(form),) if name}
    url = _AT_WORK[form](needed)
    if form != "memory":
        url += f"namespace=urls-{form.replace('+', '-')}&timeout=20"

    async def use(backend: CacheBackend) -> bytes | None:
        async with backend:
            return await backend.aget("key")

    backend = backend_from_url(url)
    assert backend.set("key", b"value") is True
    assert backend.get("key") == b"value"
    assert asyncio.run(use(backend)) == b"value"


# -- passwords --------------------------------------------------------------------------------------------------

#: A password that is quoted in URLs, as it is and as it is written there.
_SECRETS: Final = ("hush/hush", "hush%2Fhush")
_NOBODY: Final = f"{HOST}:{free_port()}"
_WITH_PASSWORDS: Final = [
    f"redis://:hush%2Fhush@{_NOBODY}/0",
    f"redis://{_NOBODY}/0?password=hush%2Fhush",
    f"valkey://me:hush%2Fhush@{_NOBODY}/0",
    f"rediss://me:hush%2Fhush@{_NOBODY}/0",
    "unix://me:hush%2Fhush@/nowhere/redis.sock",
    f"redis+cluster://me:hush%2Fhush@{_NOBODY},{_NOBODY}",
    f"redis+sentinel://me:hush%2Fhush@{_NOBODY}/main?sentinel_password=hush%2Fhush",
    f"tiered://?l2=redis://me:hush%2Fhush@{_NOBODY}/0",
    f"tiered://?l2=redis%3A%2F%2Fme%3Ahush%252Fhush%40{_NOBODY}",
]


@pytest.mark.parametrize("url", _WITH_PASSWORDS, ids=lambda url: url.replace(_NOBODY, "NOBODY"))
def test_a_password_is_never_told(url: str, caplog: pytest.LogCaptureFixture):
    """Neither a repr nor an error with its causes, a diagnosis, nor any log shows the password of any URL (26)."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    with backend_from_url(url) as backend:
        told += [repr(backend), repr(Cache(backend)), repr(ResilientBackend(backend)), *backend.diagnose()]
        told += [repr(_target(backend))]
        for call in (
            lambda: backend.get("key"),
            lambda: backend.set("key", b"value"),
            lambda: asyncio.run(backend.aget("key")),
        ):
            with pytest.raises(BackendError) as caught:
                call()
            told += traceback.format_exception(caught.value)
        function = cached(cache=Cache(backend), name="function")(lambda: 1)
        assert function() == 1
    told.append(caplog.text)
    assert caplog.records
    assert not [text for text in told for secret in _SECRETS if secret in text]


def _target(backend: CacheBackend) -> object:
    """Return what a Redis backend's connections are made of, which a debugger or a tracker of errors may show."""
    made = backend.l2 if isinstance(backend, TieredBackend) else backend
    while not isinstance(made, RedisBackend):
        made = made.inner  # type: ignore[attr-defined] # a tiered backend guards what is behind it
    [cell] = made.setup.connections._make.__closure__
    return cell.cell_contents


@pytest.mark.parametrize(
    "url",
    [
        "memory://me:hush%2Fhush@host",
        "null://me:hush%2Fhush@host?password=hush%2Fhush",
        "disk://me:hush%2Fhush@host/cache.db",
        "memcached://me:hush%2Fhush@host",
        "memcached://host?password=hush%2Fhush",
        "redis://me:hush%2Fhush@host/many",
        "redis://me:hush%2Fhush@host:port",
        "redis+cluster://me:hush%2Fhush@host/3",
        "redis+sentinel://me:hush%2Fhush@host",
        "tiered://?l1=redis://me:hush%2Fhush@host&l2=redis://host",
        "tiered://?l2=redis://me:hush%2Fhush@host&l1_ttl=0",
    ],
)
def test_a_url_that_cannot_work_shows_no_password(url: str):
    """Whichever store refuses it, for whatever reason: the error shows no password, nor what it came from (26)."""
    with pytest.raises(ConfigurationError) as caught:
        backend_from_url(url)
    told = "".join(traceback.format_exception_only(caught.value))
    assert not [secret for secret in _SECRETS if secret in told]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_text_keeps_all_but_the_passwords_in_it():
    """Of an error with several URLs in it each password is hidden, and nothing of what is said between them (26)."""
    text = (
        "redis://host:6379/0: it is a replica (READONLY, on @user_script:15), not redis://me:hu@sh@host:1/0."
    )
    shown = (
        "redis://host:6379/0: it is a replica (READONLY, on @user_script:15), not redis://me:***@host:1/0."
    )
    assert mask_passwords(text) == shown


# -- what is the caller's -----------------------------------------------------------------------------------------


def _redis(given: dict[str, Any]) -> CacheBackend:
    return RedisBackend(given["url"], options=given["options"])


def _client(given: dict[str, Any]) -> CacheBackend:
    return RedisBackend(client=given["client"])


def _memcached(given: dict[str, Any]) -> CacheBackend:
    return MemcachedBackend(given["servers"])


def _disk(given: dict[str, Any]) -> CacheBackend:
    return DiskBackend(given["path"], timeout=given["timeout"])


@pytest.mark.parametrize("make", [_redis, _client, _memcached, _disk])
def test_what_the_caller_passed_stays_as_it_was(make, redis_server, memcached_server, tmp_path: Path):
    """Making a backend, using and closing it changes none of the objects that it was configured with (26)."""
    with redis.Redis(host=HOST, port=redis_server.port) as client:
        given: dict[str, Any] = {
            "url": redis_server.url,
            "options": {"client_name": "app", "health_check_interval": 5},
            "servers": [memcached_server.address, (HOST, memcached_server.port)],
            "path": tmp_path / "cache.db",
            "timeout": 2.5,
        }
        before = copy.deepcopy(given)
        own = dict(client.connection_pool.connection_kwargs)
        with make(given | {"client": client}) as backend:
            assert backend.set("key", b"value", 60, {"note": [1]})
            asyncio.run(_aget(backend))
        assert given == before
        assert client.connection_pool.connection_kwargs == own
        assert client.ping() is True


async def _aget(backend: CacheBackend) -> None:
    assert await backend.aget("key") == b"value"
    await backend.aclose()


def test_the_tiers_that_were_passed_are_used_as_they_are(redis_server: RedisServer):
    """Caches put their guards around a tiered backend's store for themselves, each with its own options (26)."""
    l1 = InMemoryBackend(1000, 7)
    l2 = RedisBackend(redis_server.url, namespace="passed", timeout=3)
    with TieredBackend(l1, l2) as tiered:
        quick, slow = Cache(tiered, deadline=0.25), Cache(tiered, deadline=20)
        assert slow.backend is quick.backend is tiered
        assert (tiered.l1, tiered.l2) == (l1, l2)
        assert (l1.max_size_bytes, l1.table.max_entries) == (1000, 7)
        assert (l2.timeout, l2.namespace) == (3.0, "passed")
        double = cached(cache=slow, name="double")(lambda number: 2 * number)
        assert [double(2), double(2)] == [4, 4]
        assert tiered.get_stats().hits == 1


@pytest.mark.parametrize("by_cache", [True, False])
def test_closing_a_tiered_backend_once_is_enough(redis_server: RedisServer, by_cache: bool):
    """Whether the cache over it is closed or the backend itself, both are, and nothing is left to warn of (23)."""
    tiered = TieredBackend(l2=RedisBackend(redis_server.url, namespace="closed once"))
    cache = Cache(tiered)
    (cache if by_cache else tiered).close()
    with pytest.raises(BackendClosedError):
        tiered.get("key")
    with pytest.raises(BackendClosedError):
        cache._store.get("key")
    cache.close()
    tiered.close()
