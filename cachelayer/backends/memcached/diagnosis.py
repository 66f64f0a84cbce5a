"""What is wrong with a server, a sentence each that says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cachelayer.backends.memcached.servers import Server
from cachelayer.errors import BackendError

#: What Memcached, the key and the frame need of an item beyond the value.
OVERHEAD: Final = 1024
_NEARLY_FULL: Final = 0.9


def diagnose_server(server: Server, deadline: float, max_value_bytes: int) -> Iterator[str]:
    """Look one server over."""
    try:
        stats = server.ask(deadline, lambda client: client.stats(), repeatable=True)
        settings = server.ask(deadline, lambda client: client.stats("settings"), repeatable=True)
    except BackendError as error:
        yield str(error)
        return
    yield from _memory(server.name, stats)
    limit = _number(settings, b"item_size_max")
    if limit and limit < max_value_bytes + OVERHEAD:
        yield (
            f"memcached at {server.name} takes items of up to {limit} bytes, less than max_value_bytes="
            f"{max_value_bytes} needs: lower that to {limit - OVERHEAD}, or start memcached with a larger -I"
        )


def _memory(name: str, stats: Mapping[bytes, Any]) -> Iterator[str]:
    evictions, used = _number(stats, b"evictions"), _number(stats, b"bytes")
    most = _number(stats, b"limit_maxbytes")
    if evictions:
        yield (
            f"memcached at {name} has evicted {evictions} items that had not expired: give it more memory "
            "(-m), or store less, for a shorter time"
        )
    elif most and used > _NEARLY_FULL * most:
        yield (
            f"memcached at {name} is nearly full ({used} of {most} bytes) and will evict: give it more memory "
            "(-m), or store less, for a shorter time"
        )


def _number(stats: Mapping[bytes, Any], name: bytes) -> int:
    try:
        return int(stats.get(name, 0))
    except ValueError:
        return 0
