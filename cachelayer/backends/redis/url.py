"""What a URL says about a Redis.

redis://user:password@host:6379/0             one server; rediss:// over TLS; valkey:// and valkeys:// mean the same
redis+cluster://host1:6379,host2:6379         nodes of a cluster; rediss+cluster:// over TLS
redis+sentinel://host1:26379,host2:26379/name?db=0   sentinels that name the primary; rediss+sentinel:// over TLS
unix:///path/to/socket?db=0                   a socket of this host
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote

from cachelayer.backends.redis.target import Kind, Target
from cachelayer.backends.url import flag, mask_password, query_options
from cachelayer.errors import ConfigurationError

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d{1,5}))?")


#: Options of the backend, and those that redis-py takes for each connection.
BACKEND_OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "namespace": str,
    "timeout": float,
    "max_connections": int,
}
CONNECTION_OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "username": str,
    "password": str,
    "db": int,
    "protocol": int,
    "client_name": str,
    "socket_keepalive": flag,
    "health_check_interval": int,
}
TLS_OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_cert_reqs": str,
    "ssl_check_hostname": flag,
    "ssl_ciphers": str,
}
SENTINEL_OPTIONS: Final[Mapping[str, Callable[[str], object]]] = {
    "sentinel_username": str,
    "sentinel_password": str,
}


def read_options(parts: SplitResult) -> dict[str, Any]:
    """Return the options in a URL's query; raises ConfigurationError."""
    known = {**BACKEND_OPTIONS, **CONNECTION_OPTIONS}
    if _is_tls(parts):
        known |= TLS_OPTIONS
    if _kind(parts) == "sentinel":
        known |= SENTINEL_OPTIONS
    return query_options(parts, known)


def read_target(
    parts: SplitResult, options: Mapping[str, Any], *, timeout: float, max_connections: int
) -> Target:
    """Return the target of a URL.

    Args:
        parts: the URL.
        options: what `read_options` gave, or the same as keyword arguments; the URL's own user and password count
            where these have none.
        timeout: seconds.
        max_connections: of one pool.

    Raises:
        ConfigurationError: a part of the URL cannot work.
    """
    kind = _kind(parts)
    plain = {name: value for name, value in options.items() if name not in BACKEND_OPTIONS}
    sentinel = {name.removeprefix("sentinel_"): plain.pop(name) for name in SENTINEL_OPTIONS if name in plain}
    plain = {"protocol": 2, **_credentials(parts), **plain}
    if parts.scheme == "unix":
        plain["path"] = unquote(parts.path)
    elif kind == "standalone":
        plain.setdefault("db", _database(parts))
    elif kind == "cluster" and plain.get("db", _database(parts)) != 0:
        raise ConfigurationError(
            "a cluster has only database 0: leave db out, and use namespace= to keep apart"
        )
    if plain["protocol"] not in (2, 3):
        raise ConfigurationError(f"protocol={plain['protocol']!r}: give 2 or 3")
    if _is_tls(parts):
        checks_name = plain.get("ssl_cert_reqs") != "none"
        plain = {"ssl": True, "ssl_check_hostname": checks_name, **plain}
    return Target(
        kind,
        mask_password(parts.geturl()),
        _hosts(parts, _SENTINEL_PORT if kind == "sentinel" else _PORT),
        _service(parts) if kind == "sentinel" else "",
        plain,
        sentinel,
        timeout,
        max_connections,
    )


def _kind(parts: SplitResult) -> Kind:
    _, _, suffix = parts.scheme.partition("+")
    if suffix in ("cluster", "sentinel"):
        return suffix  # type: ignore[return-value] # mypy does not narrow by `in`
    return "standalone"


def _is_tls(parts: SplitResult) -> bool:
    return parts.scheme.partition("+")[0] in ("rediss", "valkeys")


def _credentials(parts: SplitResult) -> dict[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {name: text for name, text in found.items() if text}


def _hosts(parts: SplitResult, port: int) -> tuple[tuple[str, int], ...]:
    texts = parts.netloc.rpartition("@")[2].split(",")
    return tuple(_host(text, port, parts.scheme) for text in texts)


def _host(text: str, port: int, scheme: str) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65536):
        raise ConfigurationError(f"{text!r} in {scheme}:// URL is no host or host:port")
    host = match["v6"] or unquote(match["name"] or "") or "localhost"
    return host, int(match["port"] or port)


def _database(parts: SplitResult) -> int:
    text = parts.path.strip("/") or "0"
    if not text.isdecimal():
        raise ConfigurationError(f"{parts.path!r} in {parts.scheme}:// URL is no database number")
    return int(text)


def _service(parts: SplitResult) -> str:
    name = unquote(parts.path.strip("/"))
    if not name:
        raise ConfigurationError(
            f"{parts.scheme}:// URL must end with the primary's name: {parts.scheme}://host:26379/mymaster"
        )
    return name
