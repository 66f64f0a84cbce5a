"""Redis servers: one alone, a cluster of three, a primary with a replica under sentinels."""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import redis

from tests.servers.processes import HOST, Server, free_port, wait_until

if TYPE_CHECKING:
    import trustme

_SLOTS: Final = 16384


class RedisServer(Server):
    """A Redis server that keeps nothing on disk, unless options say otherwise."""

    program = "redis-server"

    def command(self) -> list[str]:
        """Return its command line."""
        return [
            "--port", str(self.port), "--bind", HOST, "--dir", str(self.folder),
            "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0",
        ]  # fmt: skip

    def is_ready(self) -> bool:
        """Whether it answers a PING, if only with an error (a password, say)."""
        try:
            self.ask("PING")
        except (redis.AuthenticationError, redis.ResponseError):
            return True
        except (redis.RedisError, OSError):
            return False
        return True

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://{HOST}:{self.port}/0"

    def ask(self, *command: Any) -> Any:
        """Send one command, over a connection of its own."""
        with redis.Redis(host=HOST, port=self.port, socket_timeout=5) as client:
            return client.execute_command(*command)


class TlsRedisServer(RedisServer):
    """A Redis server that speaks TLS alone, as "localhost", and lets in who has a certificate of the same authority."""

    def __init__(self, authority: "trustme.CA") -> None:
        super().__init__()
        self._ca, self._key, self._certificate = (
            self.folder / name for name in ("ca.pem", "key.pem", "own.pem")
        )
        own = authority.issue_cert("localhost")
        authority.cert_pem.write_to_path(self._ca)
        own.private_key_pem.write_to_path(self._key)
        own.cert_chain_pems[0].write_to_path(self._certificate)

    def command(self) -> list[str]:
        """Return its command line."""
        return [
            *super().command(), "--port", "0", "--tls-port", str(self.port), "--tls-ca-cert-file", str(self._ca),
            "--tls-key-file", str(self._key), "--tls-cert-file", str(self._certificate),
        ]  # fmt: skip

    def is_ready(self) -> bool:
        """Whether it listens."""
        return Server.is_ready(self)


@contextlib.contextmanager
def redis_cluster(size: int = 3) -> Iterator[list[RedisServer]]:
    """Give a cluster of so many primaries with the slots shared out evenly."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node()) for _ in range(size)]
        for number, node in enumerate(nodes):
            first, end = _SLOTS * number // size, _SLOTS * (number + 1) // size
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            node.ask("CLUSTER", "MEET", HOST, nodes[0].port, _bus_port(nodes[0]))
        for node in nodes:
            wait_until(lambda node=node: _is_well(node, size), "the cluster agrees on its slots")
        yield nodes


class Sentinels:
    """A primary and a replica of it, watched by three sentinels that agree by two.

    Attributes:
        primary: the server that was the primary at first.
        replica: the one that replicated it.
        sentinels: the servers to ask for the current primary.
        name: what the primary is called.
    """

    name = "main"

    def __init__(self, stack: ExitStack) -> None:
        self.primary = stack.enter_context(RedisServer())
        self.replica = stack.enter_context(RedisServer("--replicaof", f"{HOST} {self.primary.port}"))
        wait_until(lambda: self.replica.ask("INFO").get("master_link_status") == "up", "the replica follows")
        self.sentinels = [stack.enter_context(_Sentinel(self)) for _ in range(3)]
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self._is_complete(sentinel), "the sentinels know each other")

    @property
    def hosts(self) -> str:
        """The sentinels' addresses as in a URL."""
        return ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)

    def current_port(self) -> int:
        """Return the port of what the first sentinel takes for the primary."""
        _, port = self.sentinels[0].ask("SENTINEL GET-MASTER-ADDR-BY-NAME", self.name)
        return int(port)

    def wait_for_failover(self) -> None:
        """Wait until the sentinels have made the replica the primary."""
        wait_until(lambda: self.current_port() == self.replica.port, "the replica takes over")
        wait_until(lambda: self.replica.ask("INFO")["role"] == "master", "the replica is a primary")

    def _is_complete(self, sentinel: RedisServer) -> bool:
        told = sentinel.ask("SENTINEL MASTER", self.name)
        return int(told["num-other-sentinels"]) == 2 and int(told["num-slaves"]) == 1


@contextlib.contextmanager
def redis_sentinels() -> Iterator[Sentinels]:
    """Give a primary with its replica under sentinels; failover takes about a second."""
    with ExitStack() as stack:
        yield Sentinels(stack)


class _Sentinel(RedisServer):
    def __init__(self, of: Sentinels) -> None:
        super().__init__()
        (self.folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind {HOST}\ndir {self.folder}\n"
            f"sentinel monitor {of.name} {HOST} {of.primary.port} 2\n"
            f"sentinel down-after-milliseconds {of.name} 500\n"
            f"sentinel failover-timeout {of.name} 3000\n"
        )

    def command(self) -> list[str]:
        return [str(self.folder / "sentinel.conf"), "--sentinel"]


def _cluster_node() -> RedisServer:
    return RedisServer(
        "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "1000",
        "--cluster-require-full-coverage", "no",
    )  # fmt: skip


def _bus_port(node: RedisServer) -> str:
    return node.options[node.options.index("--cluster-port") + 1]


def _is_well(node: RedisServer, size: int) -> bool:
    told = node.ask("CLUSTER INFO")
    return told["cluster_state"] == "ok" and int(told["cluster_known_nodes"]) == size
