"""Advice: issue 6, part 4; acceptance observability.md 9."""

import pytest

from cachelayer import Rule
from cachelayer.durations import parse_duration
from cachelayer.outcomes import Outcome
from cachelayer.stats import make_report, route_detail
from cachelayer.stats.advice import advise
from cachelayer.stats.report import Reuse, RouteReport, Split
from cachelayer.stats.routes import OTHERS_TO_A_SAMPLE
from tests.stats.support import Office


def report(*, reasons=None, reuse=None, **counts):
    """Return a route's report with these counts of outcomes, and further fields."""
    names = {outcome.value for outcome in Outcome}
    outcomes = {name: counts.get(name, 0) for name in names}
    served = sum(outcomes[name] for name in ("hit", "stale_hit", "error_hit", "revalidated", "collapsed"))
    further = {name: value for name, value in counts.items() if name not in names}
    return RouteReport(
        route="GET /search",
        outcomes=outcomes,
        requests=sum(outcomes.values()),
        served=served,
        errors=outcomes["error"],
        reasons=reasons or {},
        reuse=reuse or Reuse(),
        **further,
    )


def split(name, share, kind="query", distinct=40):
    """Return what splits a cache."""
    return Split(kind=kind, name=name, share=share, distinct=distinct)


def test_a_parameter_that_splits_the_cache():
    """It says which, with its share of the misses, and the rule that leaves it out [observability 9]."""
    [advice] = advise(report(hit=100, miss=100), [split("utm_source", 0.71), split("page", 0.04)])
    assert (advice.kind, advice.figure) == ("split", 0.71)
    assert advice.text.startswith("`utm_source` causes 71% of misses")
    rule = eval(advice.setting, {"Rule": Rule})
    assert rule.ignore_query == ["utm_source"]


def test_a_header_that_splits_the_cache():
    """It says what to do about Vary [observability 9]."""
    [advice] = advise(report(hit=100, miss=100), [split("user-agent", 0.5, kind="header")])
    assert "user-agent" in advice.text
    assert "Vary" in advice.setting


def test_few_requests_say_nothing():
    """A figure of few is chance [observability 9]."""
    assert advise(report(hit=10, miss=10), [split("utm_source", 0.9)]) == []


def test_a_route_that_does_well_has_no_advice():
    """There is nothing to say [observability 9]."""
    reuse = Reuse(ttl=60.0, age_p50=20.0, gap_p50=1.0)
    assert advise(report(hit=950, miss=50, reuse=reuse), [split("page", 0.02)]) == []


def test_a_lifetime_far_below_the_time_in_which_values_change():
    """Most of what was computed anew was the same [observability 9]."""
    [advice] = advise(report(hit=50, miss=50, reuse=Reuse(ttl=60.0, unchanged=0.9)))
    assert advice.kind == "ttl_short"
    assert "90%" in advice.text
    assert parse_duration(eval(advice.setting.removeprefix("ttl="))) == 240.0


def test_a_lifetime_far_below_reuse():
    """Keys are asked for again only when they are gone [observability 9]."""
    [advice] = advise(report(hit=20, miss=80, reuse=Reuse(ttl=60.0, gap_p50=1800.0)))
    assert advice.kind == "ttl_short"
    assert "1.8e+03" not in advice.text
    assert parse_duration(eval(advice.setting.removeprefix("ttl="))) == 3600.0


def test_a_lifetime_far_above_change():
    """Values are served long after they have changed [observability 9]."""
    reuse = Reuse(ttl=3600.0, change_p50=60.0, unchanged=0.0)
    [advice] = advise(report(hit=90, miss=10, reuse=reuse))
    assert advice.kind == "ttl_long"
    assert "60 times" in advice.text


def test_errors_that_something_stale_might_have_answered():
    """With the share of the calls that failed [observability 9]."""
    [advice] = advise(report(hit=100, miss=80, error=20))
    assert advice.kind == "stale_if_error"
    assert "20% of the calls failed" in advice.text
    key, value = advice.setting.split("=")
    assert getattr(Rule(**{key: eval(value)}), key)


def test_errors_that_something_stale_answers_already():
    """Say nothing [observability 9]."""
    assert advise(report(hit=100, miss=80, error=10, error_hit=10)) == []


@pytest.mark.parametrize(
    ("reason", "said"), [("COOKIE", "ignore_cookies=['_ga']"), ("SET-COOKIE", "store_set_cookie")]
)
def test_cookies_that_prevent_caching(reason, said):
    """With the share of the requests, and the names where they are known [observability 9]."""
    splits = [split("_ga", 0.6, kind="cookie")]
    [advice] = advise(report(hit=40, uncacheable=60, reasons={reason: 60}), splits)
    assert advice.kind == "cookies"
    assert "60% of the requests" in advice.text
    assert said in advice.setting


def test_entries_that_are_evicted_too_early():
    """With their share, and their size [observability 9]."""
    [advice] = advise(report(hit=50, miss=100, stores=100, evictions=60, bytes_stored=100 * 2048))
    assert advice.kind == "evictions"
    assert "60%" in advice.text
    assert "2 KiB" in advice.text


def test_the_most_worthwhile_comes_first():
    """By its figure [observability 9]."""
    splits = [split("a", 0.3), split("b", 0.9)]
    found = advise(report(hit=100, miss=80, error=20), splits)
    assert [each.figure for each in found] == [0.9, 0.3, 0.2]


def test_a_report_has_the_advice_of_what_was_sampled():
    """From requests to words, of all workers' samples together [observability 9]."""
    office = Office()
    one, two = office.worker(), office.worker()
    for number in range(4000):
        counters = (one, two)[number % 2].routes.counters("GET /search")
        if counters.record(Outcome.MISS, seconds=0.1):
            url = f"https://example.org/search?page={number % 3}&utm_source=mail{number}"
            counters.note_sample(Outcome.MISS, key=url)
    one.recorder.flush()
    report = make_report(two)
    [advice] = report.advice
    assert report.routes[0].advice == (advice,)
    assert (advice.kind, advice.route) == ("split", "GET /search")
    assert advice.text.startswith("`utm_source` causes 9")
    [split, *_] = route_detail(two, "GET /search").splits
    assert (split.name, split.kind) == ("utm_source", "query")
    assert split.distinct == pytest.approx(4000 / OTHERS_TO_A_SAMPLE, rel=0.1)
