"""A Django site under real servers, with several workers over one Redis."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integrations.running import ROOT, Running
from tests.servers.processes import wait_until

WSGI, ASGI = "tests.integrations.django.served:wsgi", "tests.integrations.django.served:asgi"
GUNICORN = ("gunicorn", WSGI, "--bind", "{bind}", "--workers", "2", "--preload")

SERVERS = {
    "gunicorn sync": GUNICORN,
    "gunicorn gthread": (*GUNICORN, "--worker-class", "gthread", "--threads", "4"),
    "gunicorn gevent": (*GUNICORN, "--worker-class", "gevent"),
    "uvicorn": (
        "uvicorn",
        ASGI,
        "--port",
        "{port}",
        "--no-access-log",
        "--lifespan",
        "off",
        "--workers",
        "2",
    ),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request, redis_server):
    """A running server of each kind."""
    name = request.param.replace(" ", "-")
    url = f"{redis_server.url}?namespace={name}"
    with Running(*SERVERS[request.param], CACHELAYER_URL=url) as running:
        yield running


def test_workers_call_a_view_once_for_a_cold_page(server):
    """Whichever of them is asked, and however many ask at once [integrations 23]."""
    for page in ("a", "b"):
        with ThreadPoolExecutor(8) as pool:
            bodies = {body for _, body in pool.map(server.ask, [f"/slow/{page}"] * 12)}
        assert bodies == {f"{page} 1".encode()}


@pytest.mark.parametrize("kind", ["view", "aview"])
def test_workers_share_pages(server, kind):
    """Those of sync views and of async ones [integrations 23]."""
    answers = [server.ask(f"/{kind}/x") for _ in range(12)]
    assert {body for _, body in answers} == {b"x 1"}
    assert all("; hit" in response.getheader("cache-status") for response, _ in answers[1:])


def test_workers_share_sessions(server):
    """Which are in Django's cache, signed [integrations 14]."""
    first, body = server.ask("/session")
    cookie = first.getheader("set-cookie").partition(";")[0]
    visits = [server.ask("/session", cookie=cookie)[1] for _ in range(8)]
    assert (body, visits) == (b"1", [str(number).encode() for number in range(2, 10)])


COMMAND = """
import sys
from tests.integrations.django import served
from django.core.management import call_command
call_command("cachelayer", *sys.argv[1:])
"""


def manage(url, *args):
    """Run the command in a process of its own; return what it writes."""
    environment = {
        **os.environ,
        "CACHELAYER_URL": url,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'integrations'}",
    }
    command = [sys.executable, "-c", COMMAND, *args]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_there_are_several_workers(server):
    """Else the others would prove nothing [integrations 23]."""
    with ThreadPoolExecutor(8) as pool:
        found = set()
        for _ in range(20):
            found |= {json.loads(body)["pid"] for _, body in pool.map(server.ask, ["/ready"] * 8)}
            if len(found) == 2:
                break
    assert len(found) == 2


def test_nothing_goes_wrong_unseen(server):
    """No worker has written of an error, or of a connection that was left open [integrations 23]."""
    assert "Traceback" not in server.log
    assert "ResourceWarning" not in server.log


def test_the_command_sees_and_purges_what_all_workers_have(redis_server, tmp_path):
    """From a process of its own [integrations 19]."""
    url = f"{redis_server.url}?namespace={tmp_path.name}"
    with Running(*GUNICORN, CACHELAYER_URL=url) as server:
        first = {server.ask("/view/purged")[1] for _ in range(8)}
        wait_until(lambda: "GET /view/<str:key>" in manage(url, "routes"), "shared statistics", 40)
        assert "/view/purged" in manage(url, "keys", "*purged*")
        assert "purged" in manage(url, "purge", "--route", "GET /view/<str:key>")
        assert {server.ask("/view/purged")[1] for _ in range(8)}.isdisjoint(first)
