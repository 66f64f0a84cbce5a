"""Each lookup is counted once, under its route and outcome, on the miss and on the hit alike."""

import pytest

from cachelayer import EventKind, Outcome
from cachelayer.exchange import make_label
from tests.shells import Reply, numbered

FRESH = "Cache-Control: max-age=60"


def test_a_hit_has_the_label_of_its_miss(site):
    """The application does not run then, so the entry has it."""
    it = site(numbered(FRESH), route="/users/{id}")
    for _ in range(3):
        it.get("/users/1")
    it.get("/users/2")
    assert it.counts("GET /users/{id}") == {"hit": 2, "miss": 2}


def test_every_kind_of_outcome_is_counted_once(site):
    """Bypassed requests too, under their own method."""

    def origin(asked):
        if asked.path == "/error":
            raise OSError("gone")
        return Reply([FRESH] if asked.path == "/a" else [])

    it = site(origin)
    for path in ("/a", "/a", "/un", "/error"):
        it.get(path)
    it.get("/b", method="POST")  # of /a it would outdate what is stored
    it.get("/a", "If-Match: x")
    it.get("/a", "Cache-Control: only-if-cached, no-cache")
    assert it.counts() == {"hit": 1, "miss": 1, "uncacheable": 2, "bypass": 1, "error": 1}
    assert it.counts("POST /x") == {"bypass": 1}
    assert it.middleware.stats().total.requests == 7


def test_only_if_cached_without_an_entry_has_no_label(site):
    """The application, which knows the route, was not asked."""
    it = site(numbered(FRESH))
    it.get("/a", "Cache-Control: only-if-cached")
    assert it.counts("<unlabelled>") == {"uncacheable": 1}


def test_the_rates_follow_from_the_outcomes(site):
    """Hit rate leaves bypassed ones out; coverage leaves out what may not be cached."""
    it = site(lambda asked: Reply([FRESH] if asked.path == "/a" else []))
    for path in ("/a", "/a", "/a", "/un"):
        it.get(path)
    it.get("/a", "If-Match: x")
    stats = it.middleware.stats().routes["GET /x"]
    assert (stats.hit_rate, stats.coverage) == (0.5, 0.6)


def test_times_and_bytes_are_counted(site):
    """What the origin took, what hits took, and what was served from the cache."""
    it = site(lambda asked: Reply([FRESH], b"x" * 100))
    for _ in range(3):
        it.get()
    it.get(method="HEAD")
    stats = it.middleware.stats().routes["GET /x"]
    assert (stats.bytes_served, stats.hit_calls, stats.origin_calls) == (200, 3, 1)
    assert stats.origin_seconds > 0 < stats.hit_seconds


@pytest.mark.parametrize(
    ("method", "named", "label"),
    [
        ("GET", "/a/{id}", "GET /a/{id}"),
        ("GET", "POST /a", "POST /a"),
        ("GET", "front page", "front page"),
        ("PROPFIND", "/a", "OTHER /a"),
        ("GET", "/\ud800\xe4", "GET /\\ud800\xe4"),
        ("GET", "/" + "x" * 1000, "GET /" + "x" * 295),
    ],
)
def test_labels_are_made_of_what_the_application_names(method, named, label):
    """A template gets its method; a label stays; a client cannot invent any."""
    assert make_label(method, named) == label


@pytest.mark.parametrize("named", [None, "", 7, b"/x"])
def test_what_names_no_route_is_unlabelled(site, named):
    """Never the path, which has no end of values."""
    it = site(numbered(FRESH), route=named)
    it.get("/secret/1")
    assert it.counts("<unlabelled>") == {"miss": 1}


def test_a_function_can_name_the_route(site):
    """What the application itself says goes before it."""
    it = site(numbered(FRESH), route=None, name_route=lambda env: "/by/function")
    it.get()
    assert it.counts("GET /by/function") == {"miss": 1}
    both = site(numbered(FRESH), route="/own", name_route=lambda env: "/by/function")
    both.get()
    assert both.counts("GET /own") == {"miss": 1}


def test_a_route_function_that_fails_harms_nothing(site, caplog):
    """The request counts as unlabelled, and the failure is logged."""
    it = site(numbered(FRESH), route=None, name_route=lambda env: env["nothing"])
    assert it.get().body == b"0"
    assert it.counts("<unlabelled>") == {"miss": 1}
    assert "route= failed" in caplog.text


def test_invented_labels_are_bounded(site):
    """After the first few hundred they count together."""
    it = site(numbered(FRESH), route=None, name_route=lambda env: f"/{it.calls}")
    for number in range(700):
        it.get(f"/{number}")
    routes = it.middleware.stats().routes
    assert len(routes) <= 501
    assert routes["<other>"].miss >= 199


def test_listeners_hear_of_each_request(site):
    """Hits and misses with their outcome, and what was stored."""
    it = site(numbered(FRESH))
    it.get()
    heard = []
    it.cache.add_listener(heard.append)
    it.get()
    it.get("/b")
    kinds = [(event.kind, event.route, event.outcome) for event in heard]
    assert kinds == [
        (EventKind.HIT, "GET /x", Outcome.HIT),
        (EventKind.MISS, "GET /x", Outcome.MISS),
        (EventKind.STORED, "GET /x", None),
    ]
    assert heard[0].key == "GET http://example.org/a"
