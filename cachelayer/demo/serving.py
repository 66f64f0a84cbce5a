"""An application served by uvicorn, in a thread of this process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from cachelayer.errors import CacheLayerError

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000


class PortTakenError(CacheLayerError, OSError):
    """The port that was asked for cannot be served on."""


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on a port; None takes 8000, or any free port where 8000 is taken.

    Raises:
        PortTakenError: the port that was asked for cannot be had.
    """
    if port is not None:
        return _listen(port)
    try:
        return _listen(DEFAULT_PORT)
    except PortTakenError:
        return _listen(0)


def url_of(listening: socket.socket) -> str:
    """Return where the socket listens."""
    return f"http://{HOST}:{listening.getsockname()[1]}"


@contextmanager
def serving(app: ASGIApp, listening: socket.socket) -> Generator[str]:
    """Serve `app` while in the block; gives its address. Requests that come before it is ready wait for it."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],), name="server")
    thread.start()
    try:
        yield url_of(listening)
    finally:
        server.should_exit = True
        thread.join()


def _listen(port: int) -> socket.socket:
    # Named as TCP, unlike socket.create_server's: asyncio then turns off the delays of small packets.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise PortTakenError(
            f"cannot serve on {HOST}:{port}: {error.strerror}; choose another port with --port"
        ) from error
    return listening
