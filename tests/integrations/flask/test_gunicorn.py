"""gunicorn, workers of each kind on one Redis: one call for each cold key, sockets after the fork, outages."""

import http.client
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integrations.running import Running
from tests.integrations.traffic import Traffic
from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer

#: Kind of worker -> its options, how many workers there are, and how many requests at a time are sure to be served.
#: Which worker gets them is the kernel's choice; no worker takes all of them.
WORKERS = {
    "sync": (["--worker-class", "sync", "--workers", "4"], 4, 4),
    "gthread": (
        ["--worker-class", "gthread", "--workers", "2", "--threads", "16", "--worker-connections", "12"],
        2,
        16,
    ),
    "gevent": (["--worker-class", "gevent", "--workers", "2", "--worker-connections", "14"], 2, 20),
}
#: Seconds that a request may take while the store is away: some operations' deadlines, on a machine that is busy.
LONGEST = 3.0


@pytest.fixture(scope="module")
def counts():
    """A Redis for the application's own use."""
    with RedisServer() as server:
        yield server


def gunicorn(kind, store, counts, **more):
    """Return a server of a kind, which is preloaded: its workers are forks of a process that has used the store."""
    options, _, _ = WORKERS[kind]
    return Running(
        "gunicorn",
        "tests.integrations.flask.served:app",
        "--bind",
        "{bind}",
        "--preload",
        *options,
        CACHE_URL=store.url,
        COUNTS_URL=counts.url,
        **more,
    )


@pytest.fixture(scope="module", params=WORKERS)
def served(request, counts):
    """A preloaded server of each kind, all of whose workers are up, and how much it can do at a time."""
    _, workers, crowd = WORKERS[request.param]
    with RedisServer() as store:
        counts.ask("FLUSHALL")
        with gunicorn(request.param, store, counts, WARM="1") as running:
            seen = Counter()
            wait_until(
                lambda: seen.update([running.ask("/ready")[0].getheader("x-worker")]) or len(seen) == workers,
                "all workers are up",
            )
            yield running, crowd


@pytest.mark.parametrize("kind", ["cold", "view", "function"])
def test_a_cold_key_is_computed_once_among_all_workers(served, counts, kind):
    """As many as the workers take come at once, and the application is called once [integrations 13]."""
    running, crowd = served
    path = f"/{kind}/a"
    counts.ask("DEL", "go")
    with ThreadPoolExecutor(crowd) as pool:
        asked = [pool.submit(running.ask, path) for _ in range(crowd)]
        try:
            wait_until(lambda: int(counts.ask("GET", "came:" + path) or 0) == crowd, "all have come")
        finally:
            counts.ask("SET", "go", "1")
        answers = [one.result() for one in asked]
    assert {body for _, body in answers} == {b"1"}
    assert int(counts.ask("GET", "calls:" + path)) == 1
    assert len({response.getheader("x-worker") for response, _ in answers}) > 1


@pytest.mark.parametrize("kind", ["cold", "view", "function"])
def test_sockets_are_opened_after_the_fork(served, counts, kind):
    """What the preloading process stored is a hit in its forks, who use none of its connections [integrations 13]."""
    running, crowd = served
    counts.ask("SET", "go", "1")
    paths = [f"/{kind}/warm", *(f"/{kind}/{number}" for number in range(10))] * 4
    with ThreadPoolExecutor(crowd) as pool:
        answers = list(pool.map(lambda path: running.ask(path, Host="localhost"), paths))
    # A connection that two processes read from would mix up their replies.
    assert {(response.status, body) for response, body in answers} == {(200, b"1")}
    assert len({response.getheader("x-worker") for response, _ in answers}) > 1


def test_a_client_that_hangs_up_takes_nobody_with_it(served, counts):
    """Its worker goes on, and the page is computed once more at the most [integrations 13]."""
    running, _ = served
    counts.ask("DEL", "go")
    connection = running.connect()
    connection.request("GET", "/view/hung-up")
    wait_until(lambda: counts.ask("GET", "came:/view/hung-up"), "it has come")
    connection.close()
    counts.ask("SET", "go", "1")
    bodies = [running.ask("/view/hung-up")[1] for _ in range(3)]
    assert bodies == [bodies[0]] * 3
    assert bodies[0] in (b"1", b"2")


@pytest.mark.parametrize(
    ("kind", "how"),
    [*((kind, "killed") for kind in WORKERS), ("gthread", "hanging")],
    ids=lambda value: value,
)
def test_a_store_that_goes_away_costs_nobody_a_response(kind, how, counts):
    """Pages of rules, views and functions are answered, soon, and hits come back with the store [integrations 22]."""
    counts.ask("SET", "go", "1")
    paths = [f"/{what}/{kind}-{how}-{number}" for what in ("cold", "view", "function") for number in range(3)]
    with RedisServer() as store, gunicorn(kind, store, counts) as running, Traffic(running, paths) as traffic:
        traffic.wait_for(30, hits=True)
        store.kill() if how == "killed" else store.pause()
        away = traffic.wait_for(200)
        store.start() if how == "killed" else store.resume()
        traffic.wait_for(30, hits=True)
    assert traffic.failures == []
    assert {one.status for one in traffic.seen} == {200}
    assert not all(one.hit for one in away)
    assert max(one.seconds for one in traffic.seen) < LONGEST
    # Once the breaker is open, nobody waits for the store.
    assert sorted(one.seconds for one in away)[len(away) // 2] < LONGEST / 10


def test_what_http_says_is_kept_on_the_wire(served):
    """HEAD has the length and no body, a 304 neither, and the connection is fit for more [integrations 13]."""
    running, _ = served
    running.ask("/view/head")
    connection = running.connect()
    for method, length in (("HEAD", 0), ("GET", 1), ("HEAD", 0)):
        connection.request(method, "/view/head")
        response: http.client.HTTPResponse = connection.getresponse()
        assert (response.getheader("content-length"), len(response.read())) == ("1", length)
        assert "hit" in response.getheader("cache-status")
    connection.close()
