"""Each store under gevent, whose greenlets take the place of threads, of sockets' blocking calls and of locks."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers.memcached import MemcachedServer
from tests.servers.processes import HOST
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer

Facts = dict[str, Any]

_PROGRAM: Final = Path(__file__).with_name("greenlets.py")
#: Seconds, well above what a call takes on a busy machine: here a deadline would be a failure.
_PATIENT: Final = 20
#: Store -> its URL, of the folder and the servers that there are.
_URLS: Final[dict[str, Callable[[Path, str, str], str]]] = {
    "memory": lambda *_: "memory://",
    "disk": lambda folder, *_: f"disk://{folder}/cache.db",
    "redis": lambda _, redis, __: f"redis://{redis}?namespace=gevent&timeout={_PATIENT}",
    "memcached": lambda _, __, memcached: f"memcached://{memcached}?namespace=gevent&timeout={_PATIENT}",
    "tiered": lambda _, redis, __: f"tiered://?l2=redis://{redis}?namespace=gevent-tiered&timeout={_PATIENT}",
}


def under_gevent(what: str, url: str) -> Facts:
    """Return what the program tells, run with everything patched from the start, as a gevent worker is."""
    command = [sys.executable, "-W", "error", "-m", "gevent.monkey", str(_PROGRAM), what, url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ran.returncode == 0, ran.stderr
    facts: Facts = json.loads(ran.stdout)
    return facts


@pytest.fixture(scope="module", params=_URLS)
def facts(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
    memcached_server: MemcachedServer,
) -> Facts:
    """What fifty greenlets saw that used one backend at once."""
    folder = tmp_path_factory.mktemp("gevent")
    redis, memcached = f"{HOST}:{redis_server.port}", memcached_server.address
    return under_gevent("crowd", _URLS[request.param](folder, redis, memcached))


def test_every_greenlet_reads_what_it_wrote(facts: Facts):
    """No answer goes to another greenlet than the one that asked (24)."""
    assert facts["strangers"] == 0


def test_greenlets_lose_no_count(facts: Facts):
    """Fifty that count together get each number once (9, 24)."""
    assert facts["counts"] == list(range(1, 501))


def test_one_of_many_greenlets_adds(facts: Facts):
    """Of fifty that add a key at once, one succeeds (4, 24)."""
    assert facts["adds"] == [1] * 10


def test_a_lock_excludes_greenlets(facts: Facts):
    """One at a time is in the section that a lock guards, and all get there (20, 24)."""
    assert facts["crowds_inside"] == [1] * 50


def test_a_child_that_a_greenlet_forks_uses_the_store(facts: Facts):
    """It reads what its parent wrote, over a connection of its own, and its parent reads what it wrote (24)."""
    assert facts["child"] == ["from the parent", "from the child"]


def test_greenlets_share_a_computation(facts: Facts):
    """A cached function that fifty call at once runs once, and once more when its tag was invalidated (24)."""
    assert facts["computed"] == [1, 2]
    assert facts["results"] == [42] * 100


@pytest.mark.parametrize("scheme", ["redis", "memcached"])
def test_a_greenlet_that_waits_for_a_server_holds_up_no_other(scheme: str, redis_server, memcached_server):
    """A server that hangs costs its caller the timeout, and the others nothing (22, 24)."""
    server = {"redis": redis_server, "memcached": memcached_server}[scheme]
    with Proxy(server.port) as proxy:
        proxy.mode = "hang"
        facts = under_gevent("waiting", f"{scheme}://{HOST}:{proxy.port}?timeout=0.3")
    assert "timeout" in facts["error"]
    assert 0.25 < facts["seconds"] < 5
    assert facts["turns"] > 10
