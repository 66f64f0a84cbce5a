"""Memcached servers."""

import os

from tests.servers.processes import HOST, Server


class MemcachedServer(Server):
    """A Memcached server of 64 MiB, unless options say otherwise."""

    program = "memcached"

    def command(self) -> list[str]:
        """Return its command line; it will not run as root without being told to."""
        user = ["-u", "root"] if os.geteuid() == 0 else []
        return ["-l", HOST, "-p", str(self.port), "-U", "0", *user]

    @property
    def address(self) -> str:
        """Host and port, as in a URL."""
        return f"{HOST}:{self.port}"
