"""What the demo computes of the answers and counts of a run."""

import pytest

from cachelayer.demo.report import EndpointReport, Times, make_report, times_of
from cachelayer.demo.sending import Answer
from cachelayer.stats import RouteStats, StatsSnapshot

A, B = "GET /a", "POST /b"


def answer(endpoint: str, seconds: float, body: bytes = b"", status: int = 200) -> Answer:
    """Return an answer."""
    return Answer(endpoint, status, body, seconds)


def snapshot(*routes: RouteStats) -> StatsSnapshot:
    """Return what a cache counted."""
    return StatsSnapshot(
        total=RouteStats(route="total", miss=1000),
        routes={stats.route: stats for stats in routes},
        functions={"f": RouteStats(route="f", hit=1), "g": RouteStats(route="g", hit=2)},
        backends={},
    )


@pytest.fixture
def report():
    """Return a report on two endpoints."""
    without = [answer(A, 4.0), answer(A, 2.0), answer(A, 3.0), answer(B, 1.0)]
    cached = [answer(A, 4.0), answer(A, 0.5), answer(A, 1.0), answer(B, 1.5)]
    return make_report(
        without, cached, snapshot(RouteStats(route=B, bypass=1), RouteStats(route=A, hit=2, miss=1))
    )


def test_times():
    """Median and 95th percentile are those of the sorted times; the percentile is one of them."""
    times = times_of(answer(A, float(seconds)) for seconds in range(100, 0, -1))
    assert times == Times(total=5050.0, median=50.5, p95=95.0)


def test_an_endpoint(report):
    """Times come from the client, of both runs, and the hit rate from the cache."""
    assert report.endpoints[0] == EndpointReport(
        A, 3, pytest.approx(2 / 3), Times(9.0, 3.0, 4.0), Times(5.5, 1.0, 4.0)
    )


def test_time_saved(report):
    """What the cache cost more than it saved is below zero."""
    assert [row.saved for row in report.endpoints] == [3.5, -0.5]


def test_an_endpoint_without_lookups_has_no_hit_rate(report):
    """Where everything bypasses the cache, 0 % would say that it failed."""
    assert report.endpoints[1].hit_rate is None


def test_total_is_that_of_the_endpoints(report):
    """Functions, which have lookups of their own, do not count among requests."""
    assert report.total == EndpointReport(
        "all", 4, pytest.approx(2 / 3), Times(10.0, 2.5, 4.0), Times(7.0, 1.25, 4.0)
    )


def test_most_requested_come_first(report):
    """Endpoints, routes and functions are in the order of their requests."""
    assert [row.endpoint for row in report.endpoints] == [A, B]
    assert [stats.route for stats in report.routes] == [A, B]
    assert [stats.route for stats in report.functions] == ["g", "f"]


def test_equal_answers_are_sound(report):
    """A run in which both applications said the same, and no errors, is as it should be."""
    assert report.sound


@pytest.mark.parametrize(
    ("one", "other", "different", "failed"),
    [
        (answer(A, 1.0, b"x"), answer(A, 1.0, b"y"), 1, 0),
        (answer(A, 1.0, b"x"), answer(A, 1.0, b"x", 203), 1, 0),
        (answer(A, 1.0, b"x", 500), answer(A, 1.0, b"x", 500), 0, 2),
    ],
    ids=["another body", "another status", "errors"],
)
def test_wrong_answers_are_counted(one, other, different, failed):
    """A cache that changes what visitors get is not worth its time."""
    report = make_report([one], [other], snapshot(RouteStats(route=A, miss=1)))
    assert (report.different, report.failed, report.sound) == (different, failed, False)
