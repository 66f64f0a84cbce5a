"""Statistics of servers with several workers, to the request: acceptance observability.md 4."""

import http.client
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integrations.running import Running
from tests.servers.processes import wait_until

CLIENTS, ROUNDS = 8, 130

WORKERS = {
    "gthread": ("--workers", "4", "--threads", "4"),
    "gevent": ("--workers", "4", "--worker-class", "gevent"),
    # Each ends after a tenth of the requests, and the next is forked from where the application was imported.
    "short-lived": ("--workers", "4", "--preload", "--max-requests", "90", "--max-requests-jitter", "30"),
}


def send(server, client):
    """Send a client's requests: half of them to a page, half to a function."""
    connection = server.connect()
    for turn in range(ROUNDS):
        path = f"/pages/{turn % 40}" if turn % 2 else f"/double/{turn % 30}"
        for attempt in range(5):
            try:
                connection.request("GET", path)
                assert connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                # A worker that ends closes what is idle: a request that it did not take is sent again.
                assert attempt < 4
                connection.close()
            else:
                break
    connection.close()


def counts(server):
    """Return what one worker's report says of all: requests for the pages, and calls."""
    report = json.loads(server.ask("/report")[1])
    return {each["route"]: each["requests"] for each in (*report["routes"], *report["functions"])}


def check(server, expected):
    """Send requests, and wait until a report has the client's count of them, of whichever worker it is."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda client: send(server, client), range(CLIENTS)))

    def is_exact():
        found = counts(server)
        return all(found.get(route) == count for route, count in expected.items())

    try:
        wait_until(is_exact, "the report has what was sent", patience=10)
    except TimeoutError as error:
        error.add_note(f"it has {counts(server)}, and not {expected}")
        raise
    assert is_exact()


EXPECTED = {"GET /pages": CLIENTS * ROUNDS // 2, "double": CLIENTS * ROUNDS // 2}


@pytest.mark.parametrize("kind", WORKERS)
def test_four_workers_over_redis_count_every_request(redis_server, kind):
    """Whatever worker is asked, and whether workers come and go meanwhile [observability 4]."""
    environment = {"CACHE_URL": f"{redis_server.url}?namespace={uuid.uuid4().hex}"}
    with Running("gunicorn", "tests.stats.site", "--bind", "{bind}", *WORKERS[kind], **environment) as server:
        check(server, EXPECTED)


@pytest.mark.parametrize("store", ["memory", "disk"])
def test_four_workers_on_one_host_count_every_request(tmp_path, store):
    """Of the kind `sync`, with memory of their own and a directory in common, or a disk store [observability 4]."""
    environment = (
        {"STATS_DIR": str(tmp_path / "stats")}
        if store == "memory"
        else {"CACHE_URL": f"disk://{tmp_path}/cache.db"}
    )
    with Running(
        "gunicorn", "tests.stats.site", "--bind", "{bind}", "--workers", "4", **environment
    ) as server:
        check(server, EXPECTED)


def test_counts_outlive_a_restart_of_the_server(redis_server):
    """The next server's reports have what the one before it has served [observability 4]."""
    environment = {"CACHE_URL": f"{redis_server.url}?namespace={uuid.uuid4().hex}"}
    command = ("gunicorn", "tests.stats.site", "--bind", "{bind}", "--workers", "2", "--preload")
    for turn in (1, 2):
        with Running(*command, **environment) as server:
            check(server, {route: turn * count for route, count in EXPECTED.items()})
