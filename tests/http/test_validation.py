"""Validation: RFC 9111, sections 3.2 and 4.3, and the strength of validators, RFC 9110, section 8.8."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import ResponseHead
from cachelayer.http.validation import (
    can_validate,
    conditional_headers,
    head_updates,
    selected,
    updated_headers,
)
from cachelayer.http.validators import same_strongly, same_weakly, strong_last_modified
from tests.http.support import NOW, date, headers, stored

OLD = f"Last-Modified: {date(-3600)}"


def kept(*lines: str, after: float = 0.0, body: bytes = b"body"):
    """Store a response with these fields that arrives some seconds after `NOW`."""
    made = stored("Cache-Control: max-age=600", *lines, body=body)
    return msgspec.structs.replace(made, response_time=NOW + after)


def asked(*candidates, lines: tuple[str, ...] = ()):
    """Return the conditions sent to validate these."""
    return conditional_headers(headers(*lines), candidates)


def head(*lines: str, status: int = 304) -> ResponseHead:
    """Make the head of an answer."""
    return ResponseHead(status, headers(*lines))


@pytest.mark.parametrize(
    ("one", "other", "strongly", "weakly"),
    [
        (b'W/"1"', b'W/"1"', False, True),
        (b'W/"1"', b'W/"2"', False, False),
        (b'W/"1"', b'"1"', False, True),
        (b'"1"', b'"1"', True, True),
        (b'"1"', b'"2"', False, False),
        (b'"w/1"', b'"W/1"', False, False),
        (b'"1"', None, False, False),
        (None, b'"1"', False, False),
        (None, None, False, False),
    ],
)
def test_entity_tags_are_compared_as_the_standard_lists(one, other, strongly, weakly):
    """RFC 9110, section 8.8.3.2: a weak tag never matches strongly, its mark never matters weakly."""
    assert (same_strongly(one, other), same_weakly(one, other)) == (strongly, weakly)


@pytest.mark.parametrize(
    ("lines", "strong"),
    [
        ([OLD], True),
        ([f"Last-Modified: {date(-1)}"], True),
        ([f"Last-Modified: {date()}"], False),
        ([f"Last-Modified: {date(60)}"], False),
        ([f"Last-Modified: {date(-60)}", f"Date: {date(-60)}"], False),
        ([f"Last-Modified: {date(-61)}", f"Date: {date(-60)}"], True),
        (["Last-Modified: garbage"], False),
        ([OLD, f"Last-Modified: {date(-7200)}"], False),
        ([], False),
    ],
)
def test_a_date_is_strong_if_the_response_was_made_after_its_second(lines, strong):
    """RFC 9110, section 8.8.2.2: within one second a resource may change twice."""
    assert (strong_last_modified(kept(*lines)) is not None) is strong


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        (['ETag: "1"'], ['if-none-match: "1"']),
        (['ETag: W/"1"'], ['if-none-match: W/"1"']),
        ([OLD], [f"if-modified-since: {date(-3600)}"]),
        (['ETag: "1"', OLD], ['if-none-match: "1"', f"if-modified-since: {date(-3600)}"]),
        (['ETag: "1"', f"Last-Modified: {date()}"], ['if-none-match: "1"']),
        ([f"Last-Modified: {date()}"], []),
        (["ETag: 1"], []),
        (['ETag: "1"', 'ETag: "2"'], []),
        ([], []),
    ],
)
def test_the_validators_of_a_single_response_are_sent(lines, sent):
    """Section 4.3.1: its entity tag must be sent, its date should be; a weak date would miss changes."""
    candidate = kept(*lines)
    assert asked(candidate) == headers(*sent)
    assert can_validate(candidate) is bool(sent)


def test_several_responses_are_validated_by_their_tags_alone():
    """Section 4.3.1: a date is for a single stored response; every tag is sent once."""
    candidates = (kept('ETag: "1"', OLD), kept('ETag: W/"2"'), kept(OLD), kept('ETag: "1"'))
    assert asked(*candidates) == headers('if-none-match: "1", W/"2"')


def test_the_clients_own_conditions_are_left_out():
    """Section 4.3.2: they are answered from the stored response, once that is validated."""
    lines = (
        "Host: a", 'IF-NONE-MATCH: "0"', "if-modified-since: x", "If-Match: *", "If-Unmodified-Since: x",
        "Range: bytes=0-1", "If-Range: x", "If_None_Match: *", "Accept: a", "X-If-Match: 1", "Accept: b",
    )  # fmt: skip
    assert asked(lines=lines) == headers("Host: a", "Accept: a", "X-If-Match: 1", "Accept: b")


STRONG = kept('ETag: "1"', OLD)
STRONG_LATER = kept('ETag: "1"', f"Last-Modified: {date(-60)}", after=5)
WEAK = kept('ETag: W/"1"', after=1)
WEAK_LATER = kept('ETag: W/"1"', OLD, after=9)
OTHER = kept('ETag: "2"', after=20)
DATED = kept(OLD, after=3)
BARE = kept()


@pytest.mark.parametrize(
    ("lines", "candidates", "expected"),
    [
        # A strong validator identifies by strong comparison, and the newest of several.
        (['ETag: "1"'], (STRONG,), STRONG),
        (['ETag: "1"'], (STRONG_LATER, STRONG, WEAK_LATER, OTHER), STRONG_LATER),
        (['ETag: "1"', f"Last-Modified: {date(-9)}"], (STRONG,), STRONG),
        # None with it: the 304 must not be used.
        (['ETag: "3"'], (STRONG,), None),
        (['ETag: "1"'], (WEAK,), None),
        (['ETag: "3"', OLD], (STRONG, DATED), None),
        # A weak one identifies the newest that matches.
        (['ETag: W/"1"'], (WEAK_LATER, WEAK, OTHER), WEAK_LATER),
        (['ETag: W/"1"'], (STRONG, OTHER), STRONG),
        (['ETag: W/"3"'], (WEAK,), None),
        # So does a date, in any form.
        ([OLD], (STRONG, DATED, OTHER), DATED),
        ([OLD], (WEAK_LATER, STRONG), WEAK_LATER),
        ([f"Last-Modified: {date(-9)}"], (STRONG,), None),
        ([OLD], (BARE,), None),
        (["Last-Modified: garbage"], (STRONG,), None),
        # No validator: only where there is no doubt which one was asked about.
        ([], (BARE,), BARE),
        ([], (STRONG,), STRONG),
        (["ETag: unquoted"], (DATED,), DATED),
        ([], (STRONG, OTHER), None),
        ([], (), None),
        (['ETag: "1"'], (), None),
    ],
)
def test_a_304_is_about_the_response_its_validator_names(lines, candidates, expected):
    """Section 4.3.4: strong validators first, then weak ones and the newest, then none at all."""
    assert selected(head(*lines), candidates) is expected


def test_a_date_in_an_obsolete_form_is_the_same_date():
    """Dates are compared as dates (RFC 9110, section 5.6.7)."""
    candidate = kept("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT")
    assert selected(head("Last-Modified: Sun Nov  6 08:49:37 1994"), (candidate,)) is candidate


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["A: 1", "B: 2"], ["B: 3"], ["A: 1", "B: 3"]),
        (["A: 1"], ["B: 2", "C: 3", "B: 4"], ["A: 1", "B: 2", "B: 4", "C: 3"]),
        (["A: 1", "B: 2", "a: 3"], ["A: 4"], ["A: 4", "B: 2"]),
        (["A: 1", "B: 2"], ["a: 3", "A: 4"], ["a: 3", "A: 4", "B: 2"]),
        (["A: 1"], [], ["A: 1"]),
        (["Cache-Control: max-age=1"], ["Cache-Control: no-store"], ["Cache-Control: no-store"]),
        # Section 3.1: what is not stored is not taken over either.
        (["A: 1"], ["Age: 9", "Connection: B", "B: 2", "Transfer-Encoding: chunked"], ["A: 1"]),
        # Section 3.2: never Content-Length; nor what describes the body that is there.
        (["Content-Length: 4"], ["content-length: 0"], ["Content-Length: 4"]),
        (["Content-Type: text/css"], ["Content-Type: text/html"], ["Content-Type: text/css"]),
        (["Content-Encoding: gzip"], ["Content-Encoding: br"], ["Content-Encoding: gzip"]),
        (["A: 1"], ["Content-Encoding: br", "Content-Range: bytes 0-0/1"], ["A: 1"]),
        (["A: 1"], ["Content-Digest: x", "Content-MD5: x"], ["A: 1"]),
        (["Content-Language: en"], ["Content-Language: de"], ["Content-Language: de"]),
        # RFC 9110, section 6.6.1: a response without Date is dated by its receipt.
        (["Date: x", "A: 1"], ["A: 2"], ["A: 2"]),
        (["Date: x", "A: 1"], ["Date: y"], ["Date: y", "A: 1"]),
        # Section 7.3: a cookie is for one client.
        (["A: 1"], ["Set-Cookie: a=b", "Set-Cookie2: a=b", "A: 2"], ["A: 2"]),
    ],
)
def test_fields_are_replaced_and_added(old, new, expected):
    """Section 3.2: each field of the newer response replaces the stored one, with the exceptions."""
    assert updated_headers(headers(*old), headers(*new)) == headers(*expected)


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"A", b"a", b"B", b"Content-Length", b"Age"]), st.binary(max_size=3)
    ).filter(lambda line: line[1] == line[1].strip()),
    max_size=8,
).map(tuple)  # fmt: skip


@given(FIELDS, FIELDS)
def test_an_update_is_idempotent_and_loses_no_name(old, new):
    """What was updated once is not changed by the same update, and keeps every field that was there."""
    once = updated_headers(old, new)
    assert updated_headers(once, new) == once
    assert {name.lower() for name, _ in old} <= {name.lower() for name, _ in once}


@pytest.mark.parametrize(
    ("lines", "status", "effect"),
    [
        (['ETag: "1"'], 200, "update"),
        ([OLD], 200, "update"),
        (['ETag: "1"', OLD, "Content-Length: 4"], 200, "update"),
        (['ETag: "2"'], 200, "invalidate"),
        (['ETag: W/"1"'], 200, "invalidate"),
        (['ETag: "1"', f"Last-Modified: {date(-9)}"], 200, "invalidate"),
        (['ETag: "1"', "Content-Length: 5"], 200, "invalidate"),
        (["Content-Length: 5"], 200, "invalidate"),
        (["Content-Length: 4, 4"], 200, "invalidate"),
        # Nothing that proves that the body is still the same.
        (["Content-Length: 4"], 200, "ignore"),
        ([], 200, "ignore"),
        # Only 200 is about the same representation.
        (['ETag: "2"'], 404, "ignore"),
        (['ETag: "2"'], 500, "ignore"),
        (['ETag: "1"'], 304, "ignore"),
    ],
)
def test_a_response_to_head_updates_or_invalidates(lines, status, effect):
    """Section 4.3.5: what validators and length say of the stored response to GET."""
    assert head_updates(STRONG, head(*lines, status=status)) == effect


def test_a_stored_error_is_not_what_a_head_is_about():
    """Section 4.3.5: the response to HEAD tells of a 200, which may have the same validators."""
    error = msgspec.structs.replace(STRONG, status=404)
    assert head_updates(error, head('ETag: "1"', status=200)) == "ignore"


def test_a_validator_that_the_stored_response_lacks_is_a_difference():
    """Section 4.3.5: every validator of the HEAD response must match."""
    assert head_updates(BARE, head('ETag: "1"', status=200)) == "invalidate"
