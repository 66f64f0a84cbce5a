"""Tiered backends by URL: `tiered://?l1=memory://&l2=redis://host:6379/0`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote

from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.tiered.backend import TieredBackend
from cachelayer.backends.tiered.choice import check_l2
from cachelayer.backends.url import backend_from_url, mask_password
from cachelayer.errors import ConfigurationError

_URLS: Final = ("l1", "l2")
_OPTIONS: Final[Mapping[str, Callable[[str], Any]]] = {
    "feed": str,
    "l1_ttl": float,
    "poll_interval": float,
    "heartbeat": float,
}


def from_url(parts: SplitResult) -> TieredBackend:
    """Make a tiered backend of a `tiered://` URL.

    The URLs of the tiers are best percent-encoded. One that is not, such as `l2=redis://host?db=1&timeout=2`, takes
    every parameter that follows, up to one that is a tiered backend's own.
    """
    if parts.netloc or parts.path not in ("", "/") or parts.fragment:
        raise ConfigurationError(
            "tiered:// takes no host or path, only options: tiered://?l1=memory://&l2=redis://host:6379/0, "
            "with the tiers' URLs percent-encoded where they hold #"
        )
    given = _split(parts.query)
    options = {name: _convert(name, text) for name, text in given.items() if name not in _URLS}
    if not given.get("l2"):
        raise ConfigurationError("tiered:// needs l2=, the URL of the store that processes share")
    l1 = _memory(given["l1"]) if given.get("l1") else None
    l2 = backend_from_url(given["l2"])
    try:
        return TieredBackend(l1, check_l2(l2), **options)
    except ConfigurationError:
        l2.close()
        raise


def _split(query: str) -> dict[str, str]:
    """Return the parameters, the URLs among them as they are meant."""
    given: dict[str, str] = {}
    nested = ""  # the tier whose URL stands as it is, and may go on
    for part in filter(None, query.split("&")):
        name, _, text = part.partition("=")
        if name in _URLS or name in _OPTIONS:
            nested = name if name in _URLS and "://" in text else ""
            given[name] = text if nested else unquote(text)
        elif nested:
            given[nested] += ("&" if "?" in given[nested] else "?") + part
        else:
            raise ConfigurationError(
                f"unknown option {name!r} in tiered:// URL: known are {sorted((*_URLS, *_OPTIONS))}"
            )
    return given


def _convert(name: str, text: str) -> Any:
    try:
        return _OPTIONS[name](text)
    except ValueError:
        raise ConfigurationError(f"{name}={text!r} in tiered:// URL is not a number") from None


def _memory(url: str) -> InMemoryBackend:
    l1 = backend_from_url(url)
    if isinstance(l1, InMemoryBackend):
        return l1
    l1.close()
    raise ConfigurationError(
        f"l1={mask_password(url)} is no memory:// URL: L1 is memory, so that a hit does no I/O"
    )
