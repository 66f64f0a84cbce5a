"""What the examples show when they are run: an origin that counts, and what comes of it through a caching proxy."""

import http.client
import http.server
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from reverse_proxy.messages import Origin

#: Serves a proxy before an origin, and gives the port.
Serving = Callable[[Origin], AbstractContextManager[int]]


class _Pages(http.server.BaseHTTPRequestHandler):
    """Two pages that say how often the origin was asked; one of them may be kept."""

    asked = 0

    def do_GET(self) -> None:
        """Answer."""
        _Pages.asked += 1
        body = b"request %d" % _Pages.asked
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=60" if self.path == "/news" else "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def demonstrate(serving: Serving) -> None:
    """Ask a proxy twice for a page that may be kept, and twice for one that may not."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as pages:
        threading.Thread(target=pages.serve_forever, args=(0.01,)).start()
        with serving(Origin(f"http://127.0.0.1:{pages.server_port}", timeout=10.0)) as port:
            for path in ("/news", "/news", "/cart", "/cart"):
                print(path, "|", *_ask(port, path), sep=" ")
        pages.shutdown()


def _ask(port: int, path: str) -> tuple[str, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    response = connection.getresponse()
    shown = (response.read().decode(), "|", response.getheader("cache-status", ""))
    connection.close()
    return shown
