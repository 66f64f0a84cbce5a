"""What is in the store, and what happens when the store misbehaves: never the application's failure."""

import logging

import pytest

from cachelayer import BackendError, InMemoryBackend
from cachelayer.backends.resilience import ResilientBackend
from cachelayer.flow.objects import LocalEntry
from cachelayer.flow.responses import RESPONSES
from cachelayer.http import Rule, StoredResponse, Variant, VariantIndex
from cachelayer.testing import FailingBackend, FakeClock
from tests.shells import SHELLS, Reply, Site, SixMethods, echo, numbered

FRESH = "Cache-Control: max-age=60"
KEY = "GET http://example.org/a"
OPERATIONS = [None, "set", "get_many", "compare_and_set", "generations", "delete"]


@pytest.fixture(params=SHELLS)
def failing(request):
    """Make a site over a store whose operations fail, once it breaks down."""

    def make(origin, operation, error):
        clock = FakeClock()
        backend = FailingBackend(
            SixMethods(clock=clock), error=error, operations=None if operation is None else [operation]
        )
        backend.mend()
        # As the cache does by itself, but with pauses by this site's clock.
        resilient = ResilientBackend(backend, clock=clock)
        return backend, Site(request.param, "six methods", origin, backend=resilient, clock=clock)

    return make


@pytest.mark.parametrize(
    "error", [BackendError("gone"), OSError(), ValueError("odd"), StopIteration()], ids=repr
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_responses_go_on_while_the_store_fails(failing, operation, error, caplog):
    """Whichever operation fails, and whatever it raises."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    store, it = failing(echo(FRESH, "Vary: X"), operation, error)
    it.get()
    store.break_down()
    for lines in ((), ("X: 1",), (), ("X: 1",)):
        response = it.get("/a", *lines)
        assert (response.status, response.error) == (200, None)
    store.mend()
    if operation in (None, "get_many"):
        assert it.middleware.stats().backend_errors > 0
    it.clock.advance(20)
    it.get()
    assert it.get().status_field.startswith("cachelayer; hit")


def test_a_miss_is_a_miss_though_the_store_fails(failing, caplog):
    """The response may be stored, and that is what the outcome says; the failure is counted apart."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    store, it = failing(numbered(FRESH), None, OSError())
    store.break_down()
    it.get()
    store.mend()
    assert it.counts() == {"miss": 1}


DAMAGES = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-1],
    "a stub": lambda data: data[:10],
    "a pickle": lambda data: b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.",
    "another type": lambda data: data.replace(b"response", b"variants"),
    "a split name": lambda data: data.replace(b"X-Mark", b"X\r\nMar"[:6]),
    "a split value": lambda data: data.replace(b"marked", b"m\r\n:ed"),
    "a NUL": lambda data: data.replace(b"marked", b"m\0rked"),
    "another codec": lambda data: data[:3] + bytes([data[3] ^ 1]) + data[4:],
    "another version": lambda data: data[:2] + b"\xff" + data[3:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("shell", SHELLS)
def test_what_cannot_be_decoded_is_a_miss(shell, damage, caplog):
    """Truncated, foreign, of another type, with a field that splits a response: asked anew, counted, and replaced."""
    caplog.set_level(logging.CRITICAL, logger="cachelayer")
    it = Site(shell, "six methods", numbered(FRESH, "X-Mark: marked"))
    it.get()
    whole = it.store.get(KEY)
    it.store.set(KEY, damage(whole))
    answer = it.get()
    assert (answer.body, answer.get("x-mark"), answer.error) == (b"1", "marked", None)
    assert it.get().body == b"1"
    if damage(whole) != b"":
        # It is read once more when the turn among processes is taken.
        assert it.middleware.stats().backend_errors == 2


def test_an_entry_that_is_no_response_is_a_miss(site):
    """A function's value under the very same key, say."""
    it = site(numbered(FRESH))
    it.store.set(KEY, b"something else")
    assert [it.get().body for _ in range(2)] == [b"0", b"0"]


def test_an_index_without_its_variant_is_a_miss(site):
    """The store may have evicted it."""
    it = site(numbered(FRESH, "Vary: X"))
    it.get()
    variant = next(key for key in _keys(it) if "#vary" in key)
    it.store.delete(variant)
    assert [it.get().body for _ in range(2)] == [b"1", b"1"]


def _keys(it):
    return list(it.store._items) if isinstance(it.store, SixMethods) else it.store.keys()


def test_the_store_forgets_when_freshness_ends(site):
    """Entries carry their ttl, so that no dead ones pile up."""
    it = site(numbered(FRESH, "Vary: X"))
    for number in range(5):
        it.get("/a", f"X: {number}")
    it.clock.advance(60)
    # The generations of the cache and of the route, in a store that others share.
    assert it.store.get_stats().current_entries <= 2


def test_memory_is_bounded_by_bytes():
    """Many different URLs evict each other."""
    clock = FakeClock()
    backend = InMemoryBackend(max_size_bytes=50_000, clock=clock)
    it = Site("wsgi", "memory", lambda asked: Reply([FRESH], b"x" * 1000), backend=backend, clock=clock)
    for number in range(500):
        it.get(f"/{number}")
    stats = backend.get_stats()
    assert 30 < stats.current_entries < 50
    assert stats.current_size_bytes <= 50_000


def test_a_tag_that_is_no_text_harms_nobody(site, caplog):
    """The response goes on unstored, and the log says why."""
    it = site(numbered(), rules=[Rule(ttl=60, tags=("\ud800",))])
    assert [it.get().error for _ in range(2)] == [None, None]
    assert it.counts() == {"miss": 2}
    assert "cannot be stored" in caplog.text


@pytest.mark.parametrize("length", [0, 10, 255, 256, 65535, 65536, 100_000])
def test_an_entry_is_counted_with_the_length_of_its_bytes(length):
    """As if they were what is kept."""
    entry = StoredResponse(200, ((b"a", b"b"),), b"x" * length, 1.0, 1.0, 0.0, 2.0, label="GET /x")
    assert RESPONSES.keep(entry).size == len(RESPONSES.encode(entry)[1])


def test_an_index_is_counted_with_the_length_of_its_bytes():
    """Variants are small, but there are fifty."""
    index = VariantIndex(tuple(Variant((b"x",), f"key {number}", 1.0) for number in range(50)))
    assert RESPONSES.keep(index).size == len(RESPONSES.encode(index)[1])


def test_the_memory_store_shows_entries_as_bytes():
    """So that tools see in it what they would see in any other store."""
    it = Site("wsgi", "memory", numbered(FRESH))
    it.get()
    entry = it.store.table.live(KEY)
    assert isinstance(entry, LocalEntry)
    assert b"max-age=60" in (it.store.get(KEY) or b"")
