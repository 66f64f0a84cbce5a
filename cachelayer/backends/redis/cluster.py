"""A Redis cluster: each key is in one of 16384 slots, and each slot on one node.

Commands go to the nodes of their keys, to all of them before any reply is read. A node that does not have a slot (any
more) says who has: "moved" is for good, "ask" for this once, while a slot moves. Who has what is asked for at first,
and again after a node has moved a slot or has failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from cachelayer.backends.redis.cutting import cut_pool
from cachelayer.backends.redis.errors import is_try_again
from cachelayer.backends.redis.exchange import Command, Parcel, aexchange_all, exchange_all
from cachelayer.backends.redis.links import Node
from cachelayer.backends.redis.slots import Slots, redirection
from cachelayer.backends.redis.target import Host
from cachelayer.flows import Flow, arun, run

#: How often commands are sent on to where a node says they belong.
_REDIRECTIONS: Final = 5
_ASKING: Final[Command] = ("ASKING",)
_SLOTS: Final[Command] = ("CLUSTER", "SLOTS")


class _Send(msgspec.Struct, frozen=True):
    """Sends to several nodes at once."""

    parcels: Sequence[Parcel]

    def take(self) -> list[list[Any]]:
        return exchange_all(self.parcels)

    async def atake(self) -> list[list[Any]]:
        return await aexchange_all(self.parcels)


class _Disconnect(msgspec.Struct, frozen=True):
    """Closes the connections of pools."""

    pools: Sequence[Any]

    def take(self) -> None:
        for pool in self.pools:
            pool.disconnect()

    async def atake(self) -> None:
        for pool in self.pools:
            await pool.disconnect()


class _Place(msgspec.Struct, frozen=True):
    """One command on its way.

    Attributes:
        position: that of its reply.
        command: the command.
        asking: whether the node is to be told that it was named by another one.
    """

    position: int
    command: Command
    asking: bool = False


class _Round:
    """Commands that are under way to their nodes, and the replies to those that have arrived."""

    def __init__(self, slots: Slots, commands: Sequence[Command], node: Node) -> None:
        self._slots = slots
        self._redirections = 0
        self.replies: list[Any] = [None] * len(commands)
        self.under_way: dict[Host, list[_Place]] = {}
        for position, command in enumerate(commands):
            host = slots.host_of(command) if node is None else _host_of(node)
            self._add(host, _Place(position, command))

    def parcels(self, pool_of: Callable[[Host], Any]) -> list[Parcel]:
        """Return what is to be sent over which pool."""
        return [
            (pool_of(host), [word for place in places for word in _commands(place)])
            for host, places in self.under_way.items()
        ]

    def take(self, answers: Iterable[Sequence[Any]]) -> None:
        """Take the nodes' answers; what they want elsewhere is under way again."""
        sent, self.under_way = self.under_way, {}
        self._redirections += 1
        for (host, places), answer in zip(sent.items(), answers, strict=True):
            replies = iter(answer)
            for place in places:
                reply = [next(replies) for _ in _commands(place)][-1]
                if self._redirections > _REDIRECTIONS or not self._redirected(host, place, reply):
                    self.replies[place.position] = reply

    def _redirected(self, asked: Host, place: _Place, reply: Any) -> bool:
        where = redirection(reply)
        if where is not None:
            again = _Place(place.position, place.command, not where.for_good)
            self._add(self._slots.redirected(where, asked), again)
        elif is_try_again(reply):
            self._add(asked, place)
        else:
            return False
        return True

    def _add(self, host: Host, place: _Place) -> None:
        self.under_way.setdefault(host, []).append(place)


class _Cluster:
    """What both colours share.

    Args:
        hosts: nodes to ask for the others.
        make_pool: gives a pool of connections to a node.
    """

    def __init__(self, hosts: Sequence[Host], make_pool: Callable[[Host], Any]) -> None:
        self.slots = Slots(hosts)
        self.pools: dict[Host, Any] = {}
        self._make_pool = make_pool
        self._lock = threading.Lock()

    def asked(self, commands: Sequence[Command], node: Node) -> Flow[list[Any]]:
        """Send the commands to their nodes, and on to where those say they belong."""
        yield from self.find_out()
        round_ = _Round(self.slots, commands, node)
        try:
            while round_.under_way:
                round_.take((yield _Send(round_.parcels(self.pool))))
        except BaseException:
            self.slots.forget()
            for host in round_.under_way:  # it may be this one that is dead, or hangs
                self.slots.ask_last(host)
            raise
        return round_.replies

    def nodes(self) -> Flow[list[Node]]:
        """Give the names of the nodes that have slots."""
        yield from self.find_out()
        return [f"{host}:{port}" for host, port in self.slots.primaries]

    def find_out(self) -> Flow[None]:
        """Ask who has which slot, unless it is known."""
        first_error: BaseException | None = None
        for host in [] if self.slots.is_current else self.slots.to_ask():
            try:
                [[told]] = yield _Send([(self.pool(host), [_SLOTS])])
            except BaseException as error:
                self.slots.ask_last(host)  # it may hang, and use up the time that the others would need
                if not isinstance(error, Exception):
                    raise
                told = error
            if not isinstance(told, Exception):
                self.slots.learn(told, host)
                yield from self._drop_strangers()
                return
            first_error = first_error or told
        if first_error is not None:
            raise first_error

    def pool(self, host: Host) -> Any:
        """Return the connections to a node."""
        with self._lock:
            if host not in self.pools:
                self.pools[host] = self._make_pool(host)
            return self.pools[host]

    def _drop_strangers(self) -> Flow[None]:
        """Close the connections to nodes that are gone from the cluster."""
        known = self.slots.known()
        with self._lock:
            strangers = [self.pools.pop(host) for host in list(self.pools) if host not in known]
        yield _Disconnect(strangers)


class ClusterLink:
    """A `Link` to a cluster: see `_Cluster` for its arguments."""

    def __init__(self, hosts: Sequence[Host], make_pool: Callable[[Host], Any]) -> None:
        self._cluster = _Cluster(hosts, make_pool)

    def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        """See `Link.ask`."""
        return run(self._cluster.asked(commands, node))

    def nodes(self) -> list[Node]:
        """See `Link.nodes`."""
        return run(self._cluster.nodes())

    def pools(self) -> dict[str, Any]:
        """See `Link.pools`."""
        run(self._cluster.find_out())
        return {
            f"{host}:{port}": self._cluster.pool((host, port)) for host, port in self._cluster.slots.primaries
        }

    def reset(self) -> None:
        """See `Link.reset`."""
        self._cluster.slots.forget()

    def close(self) -> None:
        """See `Link.close`."""
        _Disconnect(list(self._cluster.pools.values())).take()


class AsyncClusterLink:
    """The same for async code."""

    def __init__(self, hosts: Sequence[Host], make_pool: Callable[[Host], Any]) -> None:
        self._cluster = _Cluster(hosts, make_pool)

    async def ask(self, commands: Sequence[Command], node: Node) -> list[Any]:
        """See `AsyncLink.ask`."""
        return await arun(self._cluster.asked(commands, node))

    async def nodes(self) -> list[Node]:
        """See `AsyncLink.nodes`."""
        return await arun(self._cluster.nodes())

    async def reset(self) -> None:
        """See `AsyncLink.reset`."""
        self._cluster.slots.forget()

    async def close(self) -> None:
        """See `AsyncLink.close`."""
        await _Disconnect(list(self._cluster.pools.values())).atake()

    def cut(self, *, at_once: bool) -> None:
        """See `AsyncLink.cut`."""
        for pool in list(self._cluster.pools.values()):
            cut_pool(pool, at_once=at_once)


def _commands(place: _Place) -> list[Command]:
    return [_ASKING, place.command] if place.asking else [place.command]


def _host_of(node: str) -> Host:
    host, _, port = node.rpartition(":")
    return host, int(port)
