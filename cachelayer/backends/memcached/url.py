"""Where the servers are, from a URL or from arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote

from cachelayer.backends.memcached.connections import Address
from cachelayer.backends.url import flag, query_options
from cachelayer.errors import ConfigurationError, OptionTypeError

if TYPE_CHECKING:
    from cachelayer.backends.memcached.backend import MemcachedBackend

_PORT: Final = 11211


def from_url(parts: SplitResult) -> MemcachedBackend:
    """Make a backend of `memcached://host:port,host?timeout=0.5&split=true`, or `memcached:///path/of.sock`."""
    from cachelayer.backends.memcached.backend import MemcachedBackend

    if "@" in parts.netloc:
        raise ConfigurationError(
            "memcached:// takes no user and password: pymemcache cannot log in. Keep the server in a private "
            "network, or behind a Unix socket"
        )
    path = unquote(parts.path)
    if parts.netloc and path not in ("", "/"):
        raise ConfigurationError("memcached:// takes hosts or the path of a Unix socket, not both")
    known: dict[str, Callable[[str], object]] = {
        "namespace": str,
        "timeout": float,
        "max_connections": int,
        "max_value_bytes": int,
        "split": flag,
    }
    options: dict[str, Any] = query_options(parts, known)
    return MemcachedBackend((parts.netloc or path or "localhost").split(","), **options)


def parse_servers(servers: object) -> list[Address]:
    """Return the addresses, in the order given, each once."""
    match servers:
        case str() | (str(), int()):
            given: list[Any] = [servers]
        case _:
            given = _listed(servers)
    found = list(dict.fromkeys(_address(server) for server in given))
    if not found:
        raise ConfigurationError('servers is empty: give at least one, such as "localhost:11211"')
    return found


def _listed(servers: object) -> list[Any]:
    if not isinstance(servers, Iterable) or isinstance(servers, bytes):
        raise OptionTypeError(f"servers must be text, (host, port) or several of them, not {servers!r}")
    return [*servers]


def _address(server: object) -> Address:
    match server:
        case (str(host), int(port)):
            return _checked(host, port, server)
        case str() if "@" in server:
            raise ConfigurationError(
                "a Memcached server takes no user and password: pymemcache cannot log in"
            )
        case str() if server.startswith("/"):
            return server
        case str():
            return _host_and_port(server.strip())
        case _:
            raise OptionTypeError(f'a server must be "host:port", (host, port) or a path, not {server!r}')


def _host_and_port(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or ":" in host.rpartition("]")[2]:
        host, port = text, str(_PORT)  # a bare host, or a bare IPv6 address
    if not port.isdecimal():
        raise ConfigurationError(f'server {text!r}: the port must be a number, as in "localhost:11211"')
    return _checked(host.strip("[]"), int(port), text)


def _checked(host: str, port: int, given: object) -> Address:
    if not host or not 0 < port < 65536:
        raise ConfigurationError(f'server {given!r}: give a host and a port of 1 to 65535, as "host:11211"')
    return host, port
