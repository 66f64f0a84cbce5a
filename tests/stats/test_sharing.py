"""Adding up what several workers count: acceptance observability.md 4."""

import logging

import pytest

from cachelayer import BackendError
from cachelayer.stats import make_report, shared_totals
from cachelayer.stats.pages import HOURS, MINUTES, TENS, Counts, Head, Page, WorkerPage
from cachelayer.stats.sharing import HEAD, page_name
from cachelayer.stats.snapshots import RouteStats
from cachelayer.testing import FailingBackend
from tests.stats.support import ROUTE, Office, count

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def requests(cache, window=HOUR):
    """Return how many requests a report and the total know of."""
    return make_report(cache, window).total.requests, shared_totals(cache).total.requests


def test_what_all_have_flushed_is_added_up():
    """Each worker's report has the counts of all, before and after somebody has taken them over [observability 4]."""
    office = Office()
    workers = [office.worker() for _ in range(4)]
    for number, worker in enumerate(workers, 1):
        count(worker, number)
        assert worker.recorder.flush()
    assert [requests(worker) for worker in workers] == [(10, 10)] * 4
    assert workers[2].recorder.sharing.take_over()
    assert [requests(worker) for worker in workers] == [(10, 10)] * 4


def test_only_what_changed_is_written():
    """A worker that has counted nothing since its last flush does not write its page again [observability 4]."""
    office = Office()
    worker = office.worker()
    count(worker)
    worker.recorder.flush()
    sets = office.store.get_stats().sets
    worker.recorder.flush()
    assert office.store.get_stats().sets == sets


@pytest.mark.parametrize("operation", ["set", "compare_and_set", "delete", "add", "release_lease"])
def test_a_flush_whose_answer_was_lost_counts_once(operation):
    """A write that was done and is repeated, since nobody knew of it, adds nothing [observability 4]."""
    office = Office(wrap=LostAnswers)
    worker, reader = office.worker(), office.worker()
    for number in range(5):
        count(worker, 3)
        office.store.lose = operation if number % 2 else ""
        worker.recorder.flush()
        try:
            worker.recorder.sharing.take_over()
        except BackendError:
            pass
        office.store.lose = ""
    for _ in range(3):
        worker.recorder.flush()
        worker.recorder.sharing.take_over()
    assert requests(reader) == (15, 15)


class LostAnswers(FailingBackend):
    """Does what it is told, and then raises for it."""

    def __init__(self, inner):
        super().__init__(inner, operations=[])
        self.lose = ""

    def _after(self, operation, result):
        if operation == self.lose:
            raise BackendError("the answer was lost")
        return result

    def set(self, *args, **options):
        """Store it."""
        return self._after("set", super().set(*args, **options))

    def compare_and_set(self, *args, **options):
        """Store it."""
        return self._after("compare_and_set", super().compare_and_set(*args, **options))

    def delete(self, *args):
        """Delete it."""
        return self._after("delete", super().delete(*args))

    def add(self, *args, **options):
        """Add it."""
        return self._after("add", super().add(*args, **options))

    def release_lease(self, *args):
        """Release it."""
        return self._after("release_lease", super().release_lease(*args))


@pytest.mark.parametrize("page", ["minutes", "total", "head"])
def test_a_taking_over_that_was_interrupted_counts_once(page, monkeypatch):
    """Whoever goes on later adds what is missing, and nothing twice [observability 4]."""
    office = Office()
    worker, other = office.worker(), office.worker()
    count(worker, 7)
    worker.recorder.flush()
    name = {"minutes": page_name(MINUTES, MINUTES.page_of(office.clock())), "total": "total", "head": HEAD}[
        page
    ]
    exchange = other.recorder.sharing.shelf.exchange

    def fail(wanted, *args):
        if wanted == name:
            raise BackendError("the store went away")
        return exchange(wanted, *args)

    with monkeypatch.context() as patch:
        patch.setattr(other.recorder.sharing.shelf, "exchange", fail)
        with pytest.raises(BackendError):
            other.recorder.sharing.take_over()
    assert requests(other) == (7, 7)
    assert worker.recorder.sharing.take_over()
    assert requests(other) == (7, 7)


def test_one_takes_over_at_a_time():
    """Who does not have the turn leaves it to the other [observability 4]."""
    office = Office()
    worker = office.worker()
    count(worker)
    worker.recorder.flush()
    turn = worker.recorder.sharing.shelf.take_turn(30)
    assert not worker.recorder.sharing.take_over()
    worker.recorder.sharing.shelf.end_turn(turn)
    assert worker.recorder.sharing.take_over()


def test_a_worker_that_has_ended_stays_in_the_counts():
    """Its page goes, its counts stay, and it is not listed as living [observability 4]."""
    office = Office()
    worker, other = office.worker(), office.worker()
    count(worker, 5)
    worker.recorder.close()
    assert requests(other) == (5, 5)
    assert [each.here for each in make_report(other).workers] == [True]
    other.recorder.sharing.take_over()
    assert worker.recorder.id not in other.recorder.sharing.shelf.get(HEAD, Head).workers


def test_a_worker_that_fell_silent_is_gone_and_may_come_back():
    """Killed, it is given up; paused, it goes on where it was, and nothing counts twice [observability 4]."""
    office = Office()
    worker, other = office.worker(), office.worker()
    count(worker, 5)
    worker.recorder.flush()
    office.clock.advance(0.8 * DAY)
    other.recorder.flush()
    other.recorder.sharing.take_over()
    assert [each.id for each in make_report(other).workers] == [other.recorder.id]
    count(worker, 2)
    worker.recorder.flush()
    assert shared_totals(other).total.requests == 7
    other.recorder.sharing.take_over()
    assert shared_totals(other).total.requests == 7
    assert len(make_report(other).workers) == 2


def test_a_store_that_is_away_loses_nothing(caplog):
    """What could not be written is written when the store is back; it is told once, and nobody is harmed [obs. 4]."""
    office = Office(wrap=Away)
    worker, other = office.worker(), office.worker()
    office.store.is_away = True
    with caplog.at_level(logging.WARNING, logger="cachelayer.stats"):
        for _ in range(3):
            count(worker, 2)
            assert not worker.recorder.flush()
            office.clock.advance(90)
    assert len([record for record in caplog.records if "not shared until" in record.message]) == 1
    report = make_report(worker)
    assert (report.scope, report.total.requests) == ("degraded", 6)
    office.store.is_away = False
    assert worker.recorder.flush()
    assert requests(other) == (6, 6)
    starts = [bucket.start for bucket in make_report(other).series if bucket.requests]
    assert len(starts) == 3


class Away(FailingBackend):
    """A store that may be away."""

    def __init__(self, inner):
        super().__init__(inner, operations=[])
        self.is_away = False

    def get(self, key):
        """Get it."""
        if self.is_away:
            raise ConnectionError("away")
        return super().get(key)


def test_a_long_absence_takes_bounded_room():
    """What waits for the store is bounded, and the sums stay exact [observability 4]."""
    office = Office(wrap=Away)
    worker = office.worker()
    office.store.is_away = True
    for _ in range(800):
        count(worker)
        worker.recorder.flush()
        office.clock.advance(60)
    assert len(worker.recorder.page().batches) <= 721
    office.store.is_away = False
    worker.recorder.flush()
    worker.recorder.flush()
    assert shared_totals(worker).total.requests == 800


@pytest.mark.parametrize(
    ("resolution", "window", "expected"),
    [(MINUTES, 2 * HOUR, 2), (TENS, DAY, 24), (HOURS, 7 * DAY, 168), (HOURS, 31 * DAY, 744)],
)
def test_history_is_kept_by_minutes_ten_minutes_and_hours(resolution, window, expected):
    """Minutes for a day, ten minutes for a week, hours for a month: each shows every hour's requests [obs. 4]."""
    office = Office()
    worker = office.worker()
    for _ in range(expected - 1):
        count(worker, 3)
        worker.recorder.flush()
        worker.recorder.sharing.take_over()
        office.clock.advance(HOUR)
    count(worker, 3)
    report = make_report(worker, window)
    assert report.step == resolution.step
    assert sum(bucket.requests for bucket in report.series) == report.total.requests == 3 * expected
    assert len([bucket for bucket in report.series if bucket.requests]) == expected
    assert sum(spark.requests for spark in report.routes[0].spark) == 3 * expected


def test_each_resolution_has_the_same_sums():
    """A day's hours, ten minutes and minutes add up to the same [observability 4]."""
    office = Office()
    worker = office.worker()
    for number in range(180):
        count(worker, number % 7)
        worker.recorder.flush()
        if number % 3 == 0:
            worker.recorder.sharing.take_over()
        office.clock.advance(60)
    expected = sum(number % 7 for number in range(180))
    office.clock.advance(-60)
    assert [make_report(worker, window).total.requests for window in (3 * HOUR, DAY, 3 * DAY)] == [
        expected
    ] * 3


def test_what_comes_late_is_rolled_up_again():
    """A worker that could not flush for a while is in the coarser steps too [observability 4]."""
    office = Office(wrap=Away)
    late, other = office.worker(), office.worker()
    count(other, 2)
    other.recorder.flush()
    late.recorder.flush()
    office.store.is_away = True
    count(late, 5)
    late.recorder.flush()
    office.clock.advance(HOUR)
    office.store.is_away = False
    count(other)
    other.recorder.flush()
    other.recorder.sharing.take_over()
    late.recorder.flush()
    assert make_report(other, DAY).total.requests == 8
    other.recorder.sharing.take_over()
    report = make_report(other, DAY)
    assert report.total.requests == 8
    assert sorted(bucket.requests for bucket in report.series if bucket.requests) == [1, 7]


def test_the_window_before_is_beside_the_window():
    """Change is measured against as long a time before [observability 8]."""
    office = Office()
    worker = office.worker()
    count(worker, hits=1, misses=3)
    worker.recorder.flush()
    office.clock.advance(HOUR)
    count(worker, hits=3, misses=1)
    report = make_report(worker)
    assert (report.before.requests, report.before.hit_rate) == (4, 0.25)
    assert (report.total.requests, report.total.hit_rate) == (4, 0.75)
    assert (report.routes[0].before, report.routes[0].hit_rate_before) == (4, 0.25)


def test_an_earlier_window_can_be_looked_at():
    """A report ends when it is told to [observability 4]."""
    office = Office()
    worker = office.worker()
    then = office.clock()
    count(worker, 4)
    worker.recorder.flush()
    office.clock.advance(5 * HOUR)
    count(worker, 1)
    assert make_report(worker, end=then).total.requests == 4
    assert make_report(worker).total.requests == 1


def test_labels_stay_bounded_whoever_brings_them():
    """500 labels, then <other>, also where each worker has others [observability 2]."""
    office = Office()
    one, two = office.worker(), office.worker()
    for number in range(400):
        count(one, route=f"GET /a/{number}")
        count(two, route=f"GET /b/{number}")
    for worker in (one, two):
        worker.recorder.flush()
        worker.recorder.sharing.take_over()
    report = make_report(one)
    assert len(report.routes) == 501
    assert report.total.requests == 800
    assert next(each for each in report.routes if each.route == "<other>").requests == 300


def test_a_page_that_cannot_be_read_begins_anew():
    """Whatever stands there in its place, nothing is raised, and the worker goes on [observability 4]."""
    office = Office()
    worker = office.worker()
    count(worker, 3)
    worker.recorder.flush()
    shelf = worker.recorder.sharing.shelf
    for name in (
        HEAD,
        "total",
        f"w:{worker.recorder.id}",
        page_name(MINUTES, MINUTES.page_of(office.clock())),
    ):
        office.store.set(shelf._prefix + name, b"no page of ours")
    count(worker, 2)
    assert worker.recorder.flush()
    assert make_report(worker).total.requests == 5


def test_a_page_does_not_inflate_without_end():
    """A small page that would become a large one is none [observability 4]."""
    import zlib

    office = Office()
    worker = office.worker()
    shelf = worker.recorder.sharing.shelf
    office.store.set(shelf._prefix + HEAD, zlib.compress(b"\0" * 200_000_000))
    assert shelf.get(HEAD, Head) is None


def test_statistics_are_no_entries():
    """They are in no listing, and clearing the cache leaves them [observability 4]."""
    from cachelayer import Cache, InMemoryBackend
    from cachelayer.stats.shelf import Shelf

    cache = Cache(InMemoryBackend())
    shelf = Shelf(cache.backend, "a", "b")
    assert shelf.put("total", Page({60: Counts(routes={ROUTE: RouteStats(route=ROUTE, hit=1)})}), 60)
    assert cache.backend.keys() == []
    assert cache.clear() == 0
    assert shelf.get("total", Page).steps[60].routes[ROUTE].hit == 1


def test_caches_keep_their_statistics_apart():
    """By name and namespace, in one store [observability 4]."""
    office = Office()
    workers = [
        office.worker(name=name, namespace=namespace) for name in ("a", "b") for namespace in ("", "n")
    ]
    for number, worker in enumerate(workers, 1):
        count(worker, number)
        worker.recorder.flush()
    assert [requests(worker)[0] for worker in workers] == [1, 2, 3, 4]


def test_resetting_a_workers_counters_leaves_what_it_has_written():
    """`reset_stats()` is for this process; the shared counts are everybody's [observability 4]."""
    office = Office()
    worker = office.worker()
    count(worker, 3)
    worker.recorder.flush()
    count(worker, 2)
    worker.reset_stats()
    assert worker.stats().total.requests == 0
    count(worker, 4)
    assert requests(worker) == (9, 9)


def test_a_page_lists_what_was_not_taken_over():
    """A worker's page keeps each batch until the head says that it was taken over, and no longer [observability 4]."""
    office = Office()
    worker = office.worker()
    shelf = worker.recorder.sharing.shelf

    def numbers():
        return [batch.number for batch in shelf.get(f"w:{worker.recorder.id}", WorkerPage).batches]

    for _ in range(3):
        count(worker)
        worker.recorder.flush()
    assert numbers() == [1, 2, 3]
    worker.recorder.sharing.take_over()
    count(worker)
    worker.recorder.flush()
    assert numbers() == [4]
