"""What `diagnose` finds out about a server, from what it tells by INFO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cachelayer.backends.redis.errors import translate
from cachelayer.errors import BackendError
from cachelayer.flows import Flow

#: The first version that has all that the scripts use (SET with KEEPTTL).
_OLDEST: Final = (6, 0)


def diagnosed(
    ask: Callable[..., Flow[list[Any]]], nodes: Callable[[], Flow[list[Any]]], store: str, *, is_cluster: bool
) -> Flow[list[str]]:
    """Return what is wrong with the servers, a sentence each.

    Args:
        ask: sends commands to a node.
        nodes: gives the nodes' names; that of a single server is None.
        store: what the sentences call the store.
        is_cluster: whether it is used as a cluster.
    """
    findings: list[str] = []
    try:
        for node in (yield from nodes()):
            [reply] = yield from ask(("INFO",), node=node)
            name = store if node is None else f"{store}, node {node}"
            findings += _looked_over(reply, name, is_cluster=is_cluster)
    except BackendError as error:  # it cannot be reached, or lets nobody in
        findings.append(str(error))
    return findings


def _looked_over(reply: Any, name: str, *, is_cluster: bool) -> list[str]:
    if isinstance(reply, Exception):
        return [f"INFO cannot be asked, so its memory policy is not known: {translate(reply, name)}"]
    told = _parse(reply)
    sentences = (_version(told), _role(told), _mode(told, is_cluster=is_cluster), _memory(told))
    return [f"{name}: {sentence}" for sentence in sentences if sentence]


def _parse(reply: Any) -> Mapping[str, str]:
    if not isinstance(reply, bytes):  # a client of the user's has parsed it
        return {str(name): str(value) for name, value in reply.items()}
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def _version(told: Mapping[str, str]) -> str:
    text = told.get("redis_version", "")
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if numbers and numbers < _OLDEST:
        return f"version {text} is too old: upgrade to Redis 6.0 or later, or to Valkey"
    return ""


def _role(told: Mapping[str, str]) -> str:
    if told.get("role") == "slave":
        return "it is a read-only replica: point the URL at the primary, or use redis+sentinel://"
    return ""


def _mode(told: Mapping[str, str], *, is_cluster: bool) -> str:
    if told.get("redis_mode", "standalone") == "cluster" and not is_cluster:
        return "it is a node of a cluster: use redis+cluster:// in place of redis://"
    return ""


def _memory(told: Mapping[str, str]) -> str:
    policy = told.get("maxmemory_policy", "")
    if told.get("maxmemory") == "0":
        return "it has no memory limit and grows until the host has none left: set maxmemory and maxmemory-policy"
    if policy == "noeviction":
        return (
            "it refuses writes once its memory is full: set maxmemory-policy to allkeys-lru (or allkeys-lfu)"
        )
    if policy.startswith("volatile-"):
        return f"maxmemory-policy {policy} evicts no entry without a ttl: set it to allkeys-lru, or give each a ttl"
    return ""
