"""Which node of a cluster has which slot, as far as is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from cachelayer.backends.redis.exchange import Command
from cachelayer.backends.redis.target import Host

_REDIRECTION: Final = re.compile(
    r"(?:ResponseError )?(?P<kind>Moved|Ask|MOVED|ASK)(?:Error)? (?P<slot>\d+) (?P<host>\S*):(?P<port>\d+)"
)


class Redirection(msgspec.Struct, frozen=True):
    """A node's word that a slot is elsewhere: for good, or for this once."""

    slot: int
    host: str
    port: int
    for_good: bool


def redirection(reply: Any) -> Redirection | None:
    """Return the redirection in a reply, if it is one."""
    if not isinstance(reply, Exception):
        return None
    # Its kind is in the class of the error, or before redis-py 6 in its text.
    match = _REDIRECTION.fullmatch(f"{type(reply).__name__} {reply}")
    if match is None:
        return None
    return Redirection(
        int(match["slot"]), match["host"], int(match["port"]), match["kind"].lower() == "moved"
    )


class Slots:
    """The map of a cluster.

    Args:
        hosts: nodes that were given, to ask for the others.

    Attributes:
        is_current: False where it has to be asked for (again).
    """

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._given = tuple(hosts)
        self._primaries: dict[int, Host] = {}
        self._known: list[Host] = list(hosts)
        self.is_current = False

    @property
    def primaries(self) -> list[Host]:
        """The nodes that have slots."""
        return list(dict.fromkeys(self._primaries.values()))

    def known(self) -> set[Host]:
        """Return the nodes of the cluster, replicas too, and those that were given."""
        return {*self._known, *self._given}

    def to_ask(self) -> list[Host]:
        """Return the nodes to ask for the map, in that order."""
        return list(dict.fromkeys([*self._known, *self._given]))

    def ask_last(self, host: Host) -> None:
        """Ask the others first, the next time."""
        self._known = [*(each for each in self.to_ask() if each != host), host]

    def learn(self, told: Sequence[Any], asked: Host) -> None:
        """Take over what a node told: the reply to CLUSTER SLOTS."""
        primaries: dict[int, Host] = {}
        known: dict[Host, None] = {}
        for first, last, *nodes in told:
            # A node that does not know its own address means that at which it was asked.
            hosts = [(_text(host) or asked[0], int(port)) for host, port, *_ in nodes]
            primaries |= dict.fromkeys(range(first, last + 1), hosts[0])
            known |= dict.fromkeys(hosts)
        self._primaries, self._known = primaries, list(known)
        self.is_current = True

    def forget(self) -> None:
        """Have it asked for again."""
        self.is_current = False

    def redirected(self, where: Redirection, asked: Host) -> Host:
        """Return the node that a redirection names; one for good is remembered."""
        host = (where.host or asked[0], where.port)
        if where.for_good:
            self._primaries[where.slot] = host
            self.forget()
        return host

    def host_of(self, command: Command) -> Host:
        """Return the node of a command's first key; raises redis-py's ClusterDownError where there is none."""
        from redis.crc import key_slot
        from redis.exceptions import ClusterDownError

        slot = key_slot(command[3] if command[0] in ("EVALSHA", "EVAL") else command[1])
        if slot not in self._primaries:
            raise ClusterDownError(f"slot {slot} is not covered by any node")
        return self._primaries[slot]


def _text(host: Any) -> str:
    return host.decode() if isinstance(host, bytes) else (host or "")
