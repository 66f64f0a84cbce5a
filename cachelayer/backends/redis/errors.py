"""The one place where errors of redis-py become errors of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from cachelayer.errors import BackendError

#: Words in the text of an error -> what to do about it. The first that fits counts.
_REMEDIES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("WRONGPASS", "NOAUTH", "invalid username-password", "invalid password", "AuthenticationError"),
        "it refused the user or password: mend them in the URL, or the user's ACL on the server",
    ),
    (
        ("NOPERM", "no permissions", "NoPermissionError"),
        "its ACL forbids what the cache needs: allow the user ~cl:* ~cl-book:* +@all -@admin -@dangerous +info",
    ),
    (
        ("READONLY", "read only replica", "previous master is now a slave", "ReadOnlyError"),
        "it is a read-only replica: point the URL at the primary, or use redis+sentinel://",
    ),
    (
        ("OOM", "maxmemory", "OutOfMemoryError"),
        "it is out of memory: raise its maxmemory, or set maxmemory-policy to allkeys-lru",
    ),
    (("LOADING", "BusyLoadingError", "is loading the dataset"), "it is loading its data: it answers in a while"),
    (("MASTERDOWN", "MasterDownError"), "it is a replica without its primary: look at the primary"),
    (
        ("CLUSTERDOWN", "ClusterDownError", "SlotNotCoveredError", "is not covered"),
        "a part of the cluster is down: look at `CLUSTER INFO` on its nodes",
    ),
    (
        ("MOVED", "MovedError", "CROSSSLOT", "ClusterCrossSlotError"),
        "it is a node of a cluster: use redis+cluster:// in place of redis://",
    ),
    (
        ("No connection available", "Too many connections", "MaxConnectionsError"),
        "no connection was free in time: raise max_connections",
    ),
    (
        ("Connection refused", "Connect call failed", "Error 111"),
        "nothing listens there: start the server, or mend host and port",
    ),
    (
        ("TimeoutError", "Timeout", "timed out"),
        "it did not answer in time: look at its load; raise timeout, or max_connections if many call at once",
    ),
    (("CERTIFICATE_VERIFY_FAILED", "SSL"), "TLS failed: look at the ssl_* options and the server's certificate"),
)  # fmt: skip


def translate(error: BaseException, store: str) -> BackendError:
    """Return the error of ours that says what `error`, raised by redis-py or the system, means for `store`."""
    told = f"{type(error).__name__} {error}"
    for words, remedy in _REMEDIES:
        if any(word in told for word in words):
            return BackendError(f"{store}: {remedy} ({_text(error)})")
    return BackendError(f"{store}: {_text(error)}")


def foreign_errors() -> tuple[type[BaseException], ...]:
    """Return what redis-py raises where the store or the way to it fails."""
    import redis.exceptions as known

    return (known.RedisError, known.RedisClusterException, OSError, asyncio.TimeoutError)


def may_be_tried_again(error: BaseException) -> bool:
    """Whether a connection may just have been dead: a fresh one is worth a try."""
    import redis.exceptions as known

    refused = (known.AuthenticationError, known.AuthorizationError, known.BusyLoadingError)
    lost = (known.ConnectionError, known.ReadOnlyError, known.InvalidResponse, ConnectionError)
    return isinstance(error, lost) and not isinstance(error, refused)


def is_read_only(reply: Any) -> bool:
    """Whether a reply says that the server takes no writes: a primary that was made a replica."""
    return isinstance(reply, Exception) and ("READONLY" in str(reply) or _is(reply, "ReadOnlyError"))


def is_out_of_memory(reply: Any) -> bool:
    """Whether a reply says that the server has no memory left for a write."""
    return isinstance(reply, Exception) and (str(reply).startswith("OOM") or _is(reply, "OutOfMemoryError"))


def is_unknown_script(reply: Any) -> bool:
    """Whether a reply says that the server does not know a script's digest."""
    return isinstance(reply, Exception) and _is(reply, "NoScriptError")


def is_try_again(reply: Any) -> bool:
    """Whether a reply says that a script's keys are, for the moment, on two nodes."""
    return isinstance(reply, Exception) and (str(reply).startswith("TRYAGAIN") or _is(reply, "TryAgainError"))


def is_wrong_type(reply: Any) -> bool:
    """Whether a reply says that a key holds a list, hash or the like: another program's."""
    return isinstance(reply, Exception) and str(reply).startswith("WRONGTYPE")


def first_error(replies: Iterable[Any]) -> Exception | None:
    """Return the first reply that is an error."""
    return next((reply for reply in replies if isinstance(reply, Exception)), None)


def _is(error: Exception, name: str) -> bool:
    return any(base.__name__ == name for base in type(error).__mro__)


def _text(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
