"""An origin, and the reverse proxies of `examples/` before it under uvicorn and gunicorn."""

import pytest

from tests.proof.origin import Origin
from tests.proof.proxies import SERVERS, TARGETED, Proxy


@pytest.fixture(scope="module")
def origin():
    """An origin that does what a test says."""
    with Origin() as running:
        yield running


@pytest.fixture(scope="module", params=SERVERS)
def proxy(request, origin):
    """A reverse proxy under a real server."""
    with Proxy(request.param, origin.port) as running:
        yield running


@pytest.fixture(scope="module", params=TARGETED)
def targeted_proxy(request, origin):
    """The same, governed by a field for CDNs."""
    with Proxy(request.param, origin.port, TARGETED) as running:
        yield running
