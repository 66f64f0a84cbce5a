"""Invalidations that reach the workers of a host, each with a memory of its own: acceptance observability.md 4."""

import pytest

from cachelayer import BackendError, Cache, InMemoryBackend, cached
from cachelayer.stats import make_report
from cachelayer.stats.announcing import NAME
from cachelayer.stats.pages import Announcements
from cachelayer.testing import FakeClock


class Host:
    """Workers on one host, with a directory in common."""

    def __init__(self, directory):
        self.directory, self.clock, self.workers = directory, FakeClock(), []

    def worker(self, **options):
        """Return another one, which has heard of everything so far."""
        backend = InMemoryBackend(clock=self.clock)
        cache = Cache(backend, stats_dir=self.directory, stats_interval=3600, **options)
        cache.double = cached(cache=cache, ttl=600, name="double", tags=["number:{number}"])(
            lambda number: 2 * number
        )
        for number in range(5):
            cache.double(number)
        cache.recorder.flush()
        self.workers.append(cache)
        return cache


def stored(cache):
    """Return for which numbers a worker has a result."""
    return [number for number in range(5) if cache.double.peek(number) is not None]


@pytest.fixture
def host(tmp_path):
    """A host."""
    made = Host(tmp_path / "stats")
    yield made
    for cache in made.workers:
        cache.close()


@pytest.mark.parametrize(
    ("act", "left"),
    [
        (lambda cache: cache.clear(), []),
        (lambda cache: cache.invalidate_tags("number:2"), [0, 1, 3, 4]),
        (lambda cache: cache.purge(tag="number:3"), [0, 1, 2, 4]),
        (lambda cache: cache.purge(route="double"), []),
        (lambda cache: cache.double.invalidate(1), [0, 2, 3, 4]),
        (lambda cache: cache.double.invalidate_all(), []),
    ],
    ids=["clear", "tags", "purge tag", "purge route", "one call", "all calls"],
)
def test_what_one_worker_invalidates_is_gone_in_the_others(host, act, left):
    """With their next look at the list, and before that it is there [observability 4]."""
    one, two = host.worker(), host.worker()
    act(one)
    one.recorder.flush()
    assert stored(two) == [0, 1, 2, 3, 4]
    two.recorder.flush()
    assert stored(one) == stored(two) == left


def test_an_announcement_is_not_announced_again(host):
    """Who follows one says nothing [observability 4]."""
    one, two = host.worker(), host.worker()
    one.clear()
    for worker in (one, two, one, two):
        worker.recorder.flush()
    last = one.recorder.sharing.shelf.get(NAME, Announcements).last
    assert last == 1


def test_a_purge_is_one_announcement(host):
    """Whatever it removes [observability 4]."""
    one, _ = host.worker(), host.worker()
    one.purge(route="double")
    one.recorder.flush()
    [announcement] = one.recorder.sharing.shelf.get(NAME, Announcements).kept
    assert announcement.what == "purge"


def test_a_worker_that_begins_later_is_not_told_of_earlier_ones(host):
    """It has nothing from before [observability 4]."""
    one = host.worker()
    one.clear()
    one.recorder.flush()
    two = host.worker()
    two.recorder.flush()
    assert stored(two) == [0, 1, 2, 3, 4]


def test_a_soft_invalidation_is_soft_everywhere(host):
    """What is stale in one worker is stale in the others, and not gone [observability 4]."""
    one, two = host.worker(), host.worker()
    serve = cached(cache=two, ttl=60, stale_while_revalidate=600, name="serve", tags=["t"])(lambda: 1)
    serve()
    one.invalidate_tags("t", soft=True)
    one.recorder.flush()
    two.recorder.flush()
    assert serve() == 1
    assert serve.stats().stale_hit == 1


def test_who_missed_some_forgets_everything(host):
    """The list keeps the latest thousand: what was before may have been any of it [observability 4]."""
    one, two = host.worker(), host.worker()
    for _ in range(3):
        for number in range(400):
            one.invalidate_tags(f"other:{number}")
        one.recorder.flush()
    two.recorder.flush()
    assert stored(two) == []


def test_more_than_can_wait_becomes_one_clearing(host):
    """What waits to be announced is bounded [observability 4]."""
    one, two = host.worker(), host.worker()
    for number in range(1500):
        one.invalidate_tags(f"other:{number}")
    one.recorder.flush()
    two.recorder.flush()
    assert stored(two) == []


def test_a_list_that_was_lost_makes_everybody_forget(host):
    """Nobody knows what it said [observability 4]."""
    one, two = host.worker(), host.worker()
    one.invalidate_tags("number:0")
    one.recorder.flush()
    two.recorder.flush()
    one.recorder.sharing.shelf.delete(NAME)
    two.recorder.flush()
    assert stored(two) == []


def test_an_announcement_that_fails_is_made_later(host, monkeypatch):
    """And the invalidation itself is done at once [observability 4]."""
    one, two = host.worker(), host.worker()
    one.double.invalidate(1)
    with monkeypatch.context() as patch:
        patch.setattr(one.recorder.sharing.shelf, "exchange", lambda *args: _fail())
        assert not one.recorder.flush()
    assert stored(one) == [0, 2, 3, 4]
    one.recorder.flush()
    two.recorder.flush()
    assert stored(two) == [0, 2, 3, 4]


def _fail():
    raise BackendError("the disk is full")


def test_the_log_says_whom_a_purge_has_reached(host):
    """At first this worker, then each that has followed [observability 11]."""
    one, two, three = host.worker(), host.worker(), host.worker()

    def reached():
        [entry] = make_report(one).audit
        return entry.reached, entry.workers

    one.purge(route="double")
    assert reached() == (1, 3)
    two.recorder.flush()
    assert reached() == (2, 3)
    three.recorder.flush()
    assert reached() == (3, 3)


def test_over_a_shared_store_nothing_is_announced():
    """The store is the truth for all [observability 4]."""
    from tests.stats.support import Office

    office = Office()
    one, _ = office.worker(), office.worker()
    assert one.recorder.bulletin is None
    one.clear()
    [entry] = make_report(one).audit
    assert (entry.reached, entry.workers) == (1, 1)
