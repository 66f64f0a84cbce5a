"""Backends by URL: `memory://?max_size_bytes=1000000`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from cachelayer.backends.base import CacheBackend
from cachelayer.errors import ConfigurationError, OptionTypeError

#: "user:" and then a password before a host, quoted or not; and a query parameter that is named as a secret.
_CREDENTIALS: Final = re.compile(
    r"((?:://|%3A%2F%2F)(?:(?!%3A)[^:@/?#&])*(?::|%3A)).*(?:@|%40)", re.IGNORECASE | re.DOTALL
)
_SECRET: Final = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)

_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

BackendFactory = Callable[[SplitResult], CacheBackend]

#: Other distributions add schemes here: an entry point named for the scheme, that is a `BackendFactory`.
ENTRY_POINT_GROUP: Final = "cachelayer.backends"


def backend_from_url(url: str) -> CacheBackend:
    """Make a backend from its URL.

    Args:
        url: `memory://` with the options of `InMemoryBackend` as query parameters, or any scheme that an
            installed distribution registers under the entry point group `cachelayer.backends`.

    Raises:
        ConfigurationError: the scheme or an option is unknown, or an option's value cannot work.
        OptionTypeError: it is no str.
    """
    if not isinstance(url, str):
        raise OptionTypeError(f"a backend's URL must be str, not {type(url).__name__}: {url!r}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{mask_password(url)} is no URL") from None
    factory = _factory(parts.scheme)
    if factory is None:
        raise ConfigurationError(f"no backend for {mask_password(url)}: the URL must start with {_known()}")
    return factory(parts)


def mask_password(url: str) -> str:
    """Return `url` with its passwords shown as ***, those of URLs within its query included."""
    # Up to the last "@", not parsed: a password that was not quoted may hold any of the URL's own separators.
    return _SECRET.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", url))


def mask_passwords(text: str) -> str:
    """Return `text`, such as an error's, with the passwords of the URLs in it shown as ***."""
    # Word by word: what comes after a URL may have an "@" of its own.
    return re.sub(r"\S+", lambda word: mask_password(word[0]), text)


def query_options(parts: SplitResult, known: Mapping[str, Callable[[str], object]]) -> dict[str, Any]:
    """Return a URL's query parameters as options, each converted by its function in `known`."""
    options: dict[str, Any] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise ConfigurationError(
                f"unknown option {name!r} in {parts.scheme}:// URL: known are {sorted(known)}"
            )
        try:
            options[name] = known[name](text)
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}={error}") from None
        except ValueError:
            raise ConfigurationError(f"{name}={text!r} in {parts.scheme}:// URL is not a number") from None
    return options


def flag(text: str) -> bool:
    """Return what a query parameter says that is on or off."""
    if text.lower() not in _FLAGS:
        raise ConfigurationError(f"{text!r}: give true or false")
    return _FLAGS[text.lower()]


#: Scheme -> where its `BackendFactory` is: imported when it is first asked for.
_BUILTIN: Final[dict[str, str]] = {
    "disk": "cachelayer.backends.disk:from_url",
    "memcached": "cachelayer.backends.memcached:from_url",
    "memory": "cachelayer.backends.memory:from_url",
    "null": "cachelayer.backends.null:from_url",
    "redis": "cachelayer.backends.redis.backend:from_url",
    "redis+cluster": "cachelayer.backends.redis.backend:from_url",
    "redis+sentinel": "cachelayer.backends.redis.backend:from_url",
    "rediss": "cachelayer.backends.redis.backend:from_url",
    "rediss+cluster": "cachelayer.backends.redis.backend:from_url",
    "rediss+sentinel": "cachelayer.backends.redis.backend:from_url",
    "tiered": "cachelayer.backends.tiered:from_url",
    "unix": "cachelayer.backends.redis.backend:from_url",
    "valkey": "cachelayer.backends.redis.backend:from_url",
    "valkey+cluster": "cachelayer.backends.redis.backend:from_url",
    "valkey+sentinel": "cachelayer.backends.redis.backend:from_url",
    "valkeys": "cachelayer.backends.redis.backend:from_url",
    "valkeys+cluster": "cachelayer.backends.redis.backend:from_url",
    "valkeys+sentinel": "cachelayer.backends.redis.backend:from_url",
}


def _factory(scheme: str) -> BackendFactory | None:
    if scheme in _BUILTIN:
        module, _, name = _BUILTIN[scheme].partition(":")
        factory: BackendFactory = getattr(import_module(module), name)
        return factory
    found = entry_points(group=ENTRY_POINT_GROUP, name=scheme) if scheme else ()
    return next((point.load() for point in found), None)


def _known() -> str:
    names = {*_BUILTIN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}
    return ", ".join(f"{name}://" for name in sorted(names))
