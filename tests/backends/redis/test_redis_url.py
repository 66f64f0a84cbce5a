"""What a URL says."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cachelayer.backends import backend_from_url
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.redis.target import Target
from cachelayer.backends.redis.url import read_options, read_target
from cachelayer.errors import ConfigurationError, MissingExtraError, OptionTypeError
from tests.servers.redis import RedisServer


def target_of(url: str) -> Target:
    """Return the target of a URL."""
    parts = urlsplit(url)
    return read_target(parts, read_options(parts), timeout=1, max_connections=1)


@pytest.mark.parametrize(
    ("url", "kind", "hosts"),
    [
        ("redis://", "standalone", [("localhost", 6379)]),
        ("redis://cache", "standalone", [("cache", 6379)]),
        ("redis://:6380/1", "standalone", [("localhost", 6380)]),
        ("redis://[::1]:6380", "standalone", [("::1", 6380)]),
        ("valkey://user:p%40ss@cache:1", "standalone", [("cache", 1)]),
        ("redis+cluster://a,b:7001,c:7002", "cluster", [("a", 6379), ("b", 7001), ("c", 7002)]),
        ("redis+sentinel://a,b:5/main", "sentinel", [("a", 26379), ("b", 5)]),
        ("redis+sentinel://user:pw@a:1,b:2/main?db=3", "sentinel", [("a", 1), ("b", 2)]),
    ],
)
def test_kind_and_hosts(url: str, kind: str, hosts: list[tuple[str, int]]):
    """The scheme says what kind it is; several hosts are separated by commas; ports have defaults (26)."""
    target = target_of(url)
    assert (target.kind, list(target.hosts)) == (kind, hosts)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://", {"db": 0, "protocol": 2}),
        ("redis://host/5", {"db": 5}),
        ("redis://host?db=5", {"db": 5}),
        ("redis://us%40er:p%2Fw@host", {"username": "us@er", "password": "p/w"}),
        ("redis://:pw@host", {"password": "pw"}),
        ("redis://host?password=p%26w&username=me", {"password": "p&w", "username": "me"}),
        ("redis://host?protocol=3", {"protocol": 3}),
        ("rediss://host", {"ssl": True, "ssl_check_hostname": True}),
        ("valkeys://host?ssl_ca_certs=/ca.pem", {"ssl": True, "ssl_ca_certs": "/ca.pem"}),
        ("rediss://host?ssl_cert_reqs=none", {"ssl": True, "ssl_check_hostname": False}),
        ("rediss+cluster://host", {"ssl": True}),
        ("rediss+sentinel://host/main", {"ssl": True}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
    ],
)
def test_options_of_connections(url: str, options: dict[str, object]):
    """User, password, database, protocol and TLS come from the URL (26)."""
    found = target_of(url).options
    assert {name: found.get(name) for name in options} == options


def test_sentinels_have_credentials_of_their_own():
    """The URL's user is the store's; sentinels have theirs in the query (26)."""
    target = target_of("redis+sentinel://app:pw@a/main?sentinel_username=watch&sentinel_password=other")
    assert target.service == "main"
    assert target.options["username"] == "app"
    assert target.sentinel_options == {"username": "watch", "password": "other"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host/x", "no database number"),
        ("redis://host?db=x", "db='x'"),
        ("redis://host:99999", "no host or host:port"),
        ("redis://host:x", "no host or host:port"),
        ("redis://host?nosuch=1", "unknown option 'nosuch'"),
        ("redis://host?ssl_ca_certs=x", "unknown option 'ssl_ca_certs'"),
        ("redis://host?protocol=4", "protocol=4: give 2 or 3"),
        ("redis://host?timeout=0", "timeout=0.0"),
        ("redis://host?timeout=-1", "timeout=-1.0"),
        ("redis://host?max_connections=0", "max_connections=0"),
        ("redis://host?socket_keepalive=maybe", "socket_keepalive='maybe'"),
        ("redis+cluster://host?db=1", "only database 0"),
        ("redis+sentinel://host", "must end with the primary's name"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, words: str):
    """The error names the part and what is meant (26)."""
    with pytest.raises(ConfigurationError, match=words):
        backend_from_url(url)


def test_an_error_about_a_url_hides_its_password():
    """Whatever is wrong, the password is not shown (26)."""
    with pytest.raises(ConfigurationError) as caught:
        RedisBackend("http://user:secret@host")
    assert "secret" not in str(caught.value)
    with pytest.raises(OptionTypeError):
        RedisBackend(5)


def test_arguments_count_more_than_the_query(redis_server: RedisServer):
    """namespace, timeout and max_connections may be in the URL; an argument wins (26)."""
    url = f"{redis_server.url}?namespace=in+url&timeout=2.5&max_connections=3"
    with backend_from_url(url) as made:
        assert isinstance(made, RedisBackend)
        assert (made.namespace, made.timeout) == ("in url", 2.5)
    with RedisBackend(url, namespace="argument", timeout=1) as made:
        assert (made.namespace, made.timeout) == ("argument", 1.0)
        assert made.set("key", b"value")
        assert redis_server.ask("EXISTS", "cl:argument:key")


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_a_backend_from_a_url_works(redis_server: RedisServer, scheme: str):
    """backend_from_url gives a RedisBackend; its repr shows the URL with the password masked (26)."""
    with backend_from_url(f"{scheme}://:secret@127.0.0.1:{redis_server.port}") as made:
        assert repr(made) == f"<RedisBackend {scheme}://:***@127.0.0.1:{redis_server.port}>"


def test_a_unix_socket_works(tmp_path: Path):
    """unix:// takes the path of a socket (26)."""
    path = tmp_path / "redis.sock"
    with RedisServer("--unixsocket", str(path)), backend_from_url(f"unix://{path}?db=1") as made:
        assert made.set("key", b"value")
        assert made.get("key") == b"value"


def test_a_missing_redis_py_has_the_install_line(monkeypatch: pytest.MonkeyPatch):
    """Where redis-py is not installed the error says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cachelayer\[redis\]'"):
        RedisBackend()
