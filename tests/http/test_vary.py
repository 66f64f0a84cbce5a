"""Variants: RFC 9111, section 4.1, and point 9 of the HTTP behaviour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import Policy, Reason, VariantIndex, evaluate, variant_of, writes
from cachelayer.http.vary import variant_key
from tests.http.support import NOW, admitted, planned, reuse, stored

FRESH = "Cache-Control: max-age=60"


def varied(vary: str, *request_lines: str, response: tuple[str, ...] = ()):
    """Store a response that varies, for a request."""
    return stored(FRESH, f"Vary: {vary}", *response, plan=planned(*request_lines))


@pytest.mark.parametrize(
    ("vary", "first", "second"),
    [
        ("X-A", ["X-A: a"], ["X-A: b"]),
        ("X-A", ["X-A: a"], []),
        ("X-A", [], ["X-A: a"]),
        ("X-A", ["X-A: "], []),
        ("X-A", ["X-A: a", "X-A: b"], ["X-A: a"]),
        ("X-A", ["X-A: a", "X-A: b"], ["X-A: b", "X-A: a"]),
        ("X-A", ["X-A: a", "X-A: b"], ["X-A: a, b"]),
        ("X-A", ["X-A: a", "X-A: "], ["X-A: a"]),
        ("X-A, X-B", ["X-A: ab", "X-B: "], ["X-A: a", "X-B: b"]),
        ("X-A, X-B", ["X-A: a", "X-B: b"], ["X-A: b", "X-B: a"]),
        ("X-A, X-B", ["X-A: a", "X-B: b"], ["X-A: a"]),
        ("X-A", ["X-A: a"], ["X-A: A"]),
        ("Accept-Encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip;q=0"]),
        ("Accept-Encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip, br"]),
        ("Accept-Encoding", ["Accept-Encoding: "], []),
        ("Cookie", ["Cookie: a=1"], ["Cookie: a=2"]),
    ],
)
def test_requests_that_differ_in_a_listed_field_do_not_share(vary, first, second):
    """Absent and empty differ, as do order and repetition."""
    entry = varied(vary, *first)
    assert reuse(entry, *first).reason is Reason.FRESH
    assert reuse(entry, *second).reason is Reason.VARIANT


@pytest.mark.parametrize(
    ("vary", "first", "second"),
    [
        ("X-A", ["X-A: a"], ["x-a:  a "]),
        ("x-a, ,X-a", ["X-A: a"], ["X-A: a", "X-B: c"]),
        ("Accept-Encoding", ["Accept-Encoding: gzip, br"], ["Accept-Encoding: br ,GZIP,gzip"]),
        ("Accept-Encoding", ["Accept-Encoding: gzip, br"], ["Accept-Encoding: gzip", "Accept-Encoding: br"]),
        ("Accept-Encoding", ["Accept-Encoding: gzip;q=1.0"], ["Accept-Encoding: gzip"]),
        ("Accept-Encoding", ["Accept-Encoding: gzip; q=0.5"], ["Accept-Encoding: gzip ;q=0.5"]),
    ],
)
def test_requests_that_mean_the_same_share(vary, first, second):
    """Whitespace, case of names, and what a list cannot express by its order are normalised."""
    assert reuse(varied(vary, *first), *second).reason is Reason.FRESH


def test_fields_of_several_lines_all_count():
    """Vary is a list over all its lines."""
    entry = stored(FRESH, "Vary: X-A", "vary: X-B", plan=planned("X-A: 1", "X-B: 2"))
    assert reuse(entry, "X-A: 1").reason is Reason.VARIANT
    assert reuse(entry, "X-B: 2").reason is Reason.VARIANT


def test_an_encoded_response_is_for_those_who_accept_it():
    """Content-Encoding without Vary: Accept-Encoding is taken to vary all the same."""
    entry = stored(FRESH, "Content-Encoding: gzip", plan=planned("Accept-Encoding: gzip"))
    assert reuse(entry, "Accept-Encoding: gzip").reason is Reason.FRESH
    assert reuse(entry, "Accept-Encoding: identity").reason is Reason.VARIANT
    assert reuse(entry).reason is Reason.VARIANT


def test_a_reflected_origin_is_for_that_origin():
    """Access-Control-Allow-Origin other than * is taken to vary on Origin."""
    entry = stored(FRESH, "Access-Control-Allow-Origin: https://a", plan=planned("Origin: https://a"))
    assert reuse(entry, "Origin: https://a").reason is Reason.FRESH
    assert reuse(entry, "Origin: https://b").reason is Reason.VARIANT
    assert reuse(stored(FRESH, "Access-Control-Allow-Origin: *"), "Origin: https://b").reason is Reason.FRESH


class Store(dict):
    """A shell's store: looks up and writes as the engine says."""

    def add(self, *request_lines: str, response: tuple[str, ...], body: bytes, limit: int = 10) -> None:
        """Store the response to a request."""
        plan = planned(*request_lines)
        entry = stored(FRESH, *response, plan=plan, body=body)
        todo = writes(plan, entry, self.get(plan.key), limit)
        self.update(todo.entries)
        for key in todo.deleted:
            self.pop(key, None)

    def find(self, *request_lines: str):
        """Return the body that answers a request, or why none does."""
        plan = planned(*request_lines)
        entry = self.get(plan.key)
        if isinstance(entry, VariantIndex):
            entry = self.get(variant_of(entry, plan)) or entry
        decision = evaluate(entry, plan, NOW + 1)
        return entry.body if decision.answers else decision.reason


def test_each_variant_is_found_by_its_requests():
    """A URL that varies has an index under its key, and each response under one of its own."""
    store = Store()
    store.add("X-A: a", response=("Vary: X-A",), body=b"a")
    store.add("X-A: b", response=("Vary: X-A",), body=b"b")
    assert [store.find("X-A: a"), store.find("X-A: b")] == [b"a", b"b"]
    assert store.find("X-A: c") is Reason.VARIANT


def test_the_newest_matching_variant_wins():
    """Where responses differ in what they vary on, several may match."""
    store = Store()
    store.add("X-A: a", "X-B: b", response=("Vary: X-A",), body=b"old")
    store.add("X-A: a", "X-B: b", response=("Vary: X-B",), body=b"new")
    assert store.find("X-A: a", "X-B: b") == b"new"
    assert store.find("X-A: a") == b"old"


def test_a_response_that_varies_no_more_replaces_the_variants():
    """It is the newest and answers everyone; the variants are deleted."""
    store = Store()
    store.add("X-A: a", response=("Vary: X-A",), body=b"a")
    store.add("X-A: b", response=(), body=b"all")
    assert store.find("X-A: a") == b"all"
    assert len(store) == 1


def test_a_response_that_begins_to_vary_replaces_the_one_that_did_not():
    """It is the newest for its own requests; others are computed anew."""
    store = Store()
    store.add(response=(), body=b"all")
    store.add("X-A: b", response=("Vary: X-A",), body=b"b")
    assert store.find("X-A: b") == b"b"
    assert store.find("X-A: a") is Reason.VARIANT


def test_variants_of_a_url_are_bounded():
    """The oldest falls out, with its entry."""
    store = Store()
    for name in "abc":
        store.add(f"X-A: {name}", response=("Vary: X-A",), body=name.encode(), limit=2)
    assert [store.find(f"X-A: {name}") for name in "abc"] == [Reason.VARIANT, b"b", b"c"]
    assert len(store) == 3


def test_storing_a_variant_again_does_not_grow_the_index():
    """The newer response of a variant takes the place of the older."""
    store = Store()
    for body in (b"1", b"2"):
        store.add("X-A: a", response=("Vary: X-A",), body=body)
    assert store.find("X-A: a") == b"2"
    assert len(store) == 2


def test_an_index_is_kept_as_long_as_its_last_variant():
    """It must not outlive them, nor go before."""
    plan = planned()
    entry = stored(FRESH, "Vary: X-A", plan=plan)
    index = dict(writes(plan, entry, None, 10).entries)[plan.key]
    assert index.keep_until == entry.keep_until == NOW + 60


NOMINATED = st.lists(
    st.tuples(st.binary(max_size=4), st.lists(st.binary(max_size=4), max_size=3).map(tuple)), max_size=3
).map(tuple)


@given(NOMINATED, NOMINATED)
def test_no_two_selections_share_a_key(one, other):
    """Names and values are told apart however they are chosen."""
    assert (variant_key("k", one) == variant_key("k", other)) == (one == other)


@given(st.binary(max_size=60))
def test_no_vary_makes_the_decision_raise(value):
    """Vary and Accept-Encoding may hold anything."""
    plan = planned("Accept-Encoding: " + value.decode("latin-1"), policy=Policy())
    admitted(FRESH, "Vary: " + value.decode("latin-1"), "Content-Encoding: gzip", plan=plan)
