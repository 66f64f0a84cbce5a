"""What a `RedisBackend` was made from, looked over."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from cachelayer.backends.redis.clients import make_async_link, make_link
from cachelayer.backends.redis.connections import Connections
from cachelayer.backends.redis.given import connections_of, is_cluster, waits_for
from cachelayer.backends.redis.url import BACKEND_OPTIONS, read_options, read_target
from cachelayer.backends.url import mask_password
from cachelayer.durations import parse_duration
from cachelayer.errors import ConfigurationError, MissingExtraError, OptionTypeError

_URL: Final = "redis://localhost:6379/0"
_DEFAULTS: Final = {"namespace": "", "timeout": 0.5, "max_connections": 50}
_SCHEMES: Final = frozenset(
    {
        base + suffix
        for base in ("redis", "rediss", "valkey", "valkeys")
        for suffix in ("", "+cluster", "+sentinel")
    }
    | {"unix"}
)


class Setup(msgspec.Struct, frozen=True):
    """How to reach the store.

    Attributes:
        connections: whom to ask.
        shown: the store in errors and reprs, without its password.
        namespace: that of the keys.
        timeout: seconds; None where a user's client has none.
        is_cluster: whether keys need hash tags.
    """

    connections: Connections
    shown: str
    namespace: str
    timeout: float | None
    is_cluster: bool


def set_up(
    url: str | None,
    client: Any,
    async_client: Any,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Setup:
    """Return the setup of a URL or of clients.

    Args:
        url: None for the default, or where there are clients.
        client: of the user, for sync code, or None.
        async_client: of the user, for async code, or None.
        given: the backend's own options; None stands for "not given".
        options: more arguments of redis-py.
    """
    if find_spec("redis") is None:
        raise MissingExtraError("RedisBackend", "redis")
    said = {name: value for name, value in given.items() if value is not None}
    if client is None and async_client is None:
        return _of_url(_URL if url is None else url, said, options)
    if url is not None or options or "max_connections" in said:
        raise ConfigurationError("a client was given: url=, options= and max_connections= are its own matter")
    return _of_clients(client, async_client, said)


def _of_url(url: str, said: Mapping[str, Any], options: Mapping[str, Any]) -> Setup:
    parts = _split(url)
    in_url = read_options(parts)
    own = {name: value for name, value in in_url.items() if name in BACKEND_OPTIONS}
    checked = _checked({**_DEFAULTS, **own, **said})
    target = read_target(
        parts,
        {**in_url, **options},
        timeout=checked["timeout"],
        max_connections=checked["max_connections"],
    )
    return Setup(
        Connections(lambda: make_link(target), lambda: make_async_link(target)),
        target.shown,
        checked["namespace"],
        checked["timeout"],
        target.kind == "cluster",
    )


def _of_clients(client: Any, async_client: Any, said: Mapping[str, Any]) -> Setup:
    connections = connections_of(client, async_client)
    one = async_client if client is None else client
    own_wait = waits_for(one)
    checked = _checked({**_DEFAULTS, **({} if own_wait is None else {"timeout": own_wait}), **said})
    bound = checked["timeout"] if own_wait is not None or "timeout" in said else None
    return Setup(connections, f"the given {type(one).__name__}", checked["namespace"], bound, is_cluster(one))


def _split(url: str) -> Any:
    if not isinstance(url, str):
        raise OptionTypeError(f"url must be str, not {type(url).__name__}: for a client there is client=")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{mask_password(url)} is no URL") from None
    if parts.scheme not in _SCHEMES:
        raise ConfigurationError(
            f"{mask_password(url)}: the URL must start with {', '.join(sorted(_SCHEMES))}"
        )
    return parts


def _checked(own: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(own["namespace"], str):
        raise OptionTypeError(f"namespace must be str, not {type(own['namespace']).__name__}")
    if not parse_duration(own["timeout"], name="timeout"):
        raise ConfigurationError(f"timeout={own['timeout']!r}: give seconds above 0")
    if own["max_connections"].__class__ is not int or own["max_connections"] <= 0:
        raise ConfigurationError(f"max_connections={own['max_connections']!r}: give a whole number above 0")
    return {**own, "timeout": parse_duration(own["timeout"], name="timeout")}
