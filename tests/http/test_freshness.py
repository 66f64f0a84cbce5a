"""Freshness and age: RFC 9111, sections 4.2.1 to 4.2.3 and 5.1; targeted fields: RFC 9213."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import Policy, Reason
from cachelayer.http.targeted import parse_dictionary
from tests.http.support import NOW, admitted, date, stored


def lifetime(*lines: str, **how) -> float:
    """Return for how long a response with these fields is fresh."""
    return stored(*lines, **how).fresh_until - NOW


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["Cache-Control: max-age=60"], 60),
        (["Cache-Control: max-age=60, s-maxage=90"], 90),
        (["Cache-Control: s-maxage=90, max-age=60"], 90),
        (["Cache-Control: s-maxage=90, max-age=0"], 90),
        (["Cache-Control: max-age=60", f"Expires: {date(-5)}"], 60),
        (["Cache-Control: max-age=60", "Expires: 0"], 60),
        ([f"Expires: {date(60)}"], 60),
        ([f"Expires: {date(60)}", f"Date: {date()}"], 60),
        ([f"Expires: {date(60)}", f"Date: {date(-30)}"], 60),  # 90 from its Date, which is 30 ago
        ([f"Expires: {date(60)}", f"Expires: {date(60)}"], 60),
        ([f"Expires: {date(60)}", "Date: garbage"], 60),
        (["Cache-Control: public, immutable, x=y, max-age=60"], 60),
        (["Cache-Control: max-age=99999999999"], 2**31),
    ],
)
def test_the_most_specific_freshness_counts(lines, seconds):
    """s-maxage goes before max-age, and both before Expires less Date (section 4.2.1)."""
    assert lifetime(*lines) == seconds


@pytest.mark.parametrize(
    "lines",
    [
        ["Cache-Control: max-age=0"],
        ["Cache-Control: max-age=x"],
        ["Cache-Control: max-age=60, max-age=90"],
        ["Cache-Control: s-maxage=x, max-age=60"],
        ["Cache-Control: s-maxage=0, max-age=60"],
        ["Cache-Control: max-age=x", f"Expires: {date(60)}"],
        ["Expires: 0"],
        ["Expires: -1"],
        ["Expires: "],
        ["Expires: garbage"],
        [f"Expires: {date(-1)}"],
        [f"Expires: {date(60)}", f"Expires: {date(90)}"],
        [f"Expires: {date(60)}, {date(60)}"],
        ["Cache-Control: max-age=60", "Age: 60"],
        ["Cache-Control: max-age=60", f"Date: {date(-60)}"],
    ],
)
def test_invalid_or_used_up_freshness_is_stale(lines):
    """What cannot be read is expired, not absent: a rule's ttl does not step in (section 4.2.1)."""
    assert admitted(*lines, policy=Policy(default_ttl=60)).reason is Reason.STALE


@pytest.mark.parametrize(
    ("lines", "took", "age"),
    [
        ([], 0, 0),
        (["Age: 20"], 0, 20),
        (["Age: 20, 30"], 0, 20),
        (["Age: 20", "Age: 30"], 0, 20),
        (["Age: garbage"], 0, 0),
        (["Age: -5"], 0, 0),
        (["Age: 1.5"], 0, 0),
        (["Age: x, 30"], 0, 0),
        (["Age: 20"], 3, 23),
        ([], 3, 3),
        ([f"Date: {date(-40)}"], 0, 40),
        ([f"Date: {date(40)}"], 0, 0),
        ([f"Date: {date(-40)}", "Age: 20"], 3, 40),
        ([f"Date: {date(-10)}", "Age: 20"], 3, 23),
    ],
)
def test_the_age_from_upstream_is_corrected(lines, took, age):
    """The larger of Date's and Age's word counts, with the time that the request took (section 4.2.3)."""
    entry = stored("Cache-Control: max-age=600", *lines, took=took)
    assert entry.initial_age == age
    assert entry.fresh_until == NOW + 600 - age


def test_a_ttl_given_here_counts_from_here():
    """A slow origin, or an old answer of it, does not use up a rule's or default's ttl."""
    assert lifetime("Age: 100", policy=Policy(default_ttl=60), took=90) == 60


def test_heuristics_are_a_setting():
    """Last-Modified alone makes nothing fresh unless asked for (section 4.2.2)."""
    line = f"Last-Modified: {date(-1000)}"
    assert admitted(line).reason is Reason.NO_FRESHNESS
    assert lifetime(line, policy=Policy(heuristic_freshness=True)) == 100


def test_a_heuristic_is_at_most_a_day():
    """A file untouched for years is not good for months."""
    assert lifetime(f"Last-Modified: {date(-(10**8))}", policy=Policy(heuristic_freshness=True)) == 86400


@pytest.mark.parametrize(
    ("lines", "decision"),
    [
        (["CDN-Cache-Control: max-age=30", "Cache-Control: no-store"], Reason.EXPLICIT),
        (["CDN-Cache-Control: no-store", "Cache-Control: max-age=60"], Reason.NO_STORE),
        (["CDN-Cache-Control: private", "Cache-Control: max-age=60"], Reason.PRIVATE),
        (["CDN-Cache-Control: x", f"Expires: {date(60)}"], Reason.NO_FRESHNESS),
        (["CDN-Cache-Control: ", "Cache-Control: max-age=60"], Reason.EXPLICIT),
        (["CDN-Cache-Control: max-age=30,", "Cache-Control: no-store"], Reason.NO_STORE),
        (["CDN-Cache-Control: MAX-AGE=30", "Cache-Control: no-store"], Reason.NO_STORE),
        (['CDN-Cache-Control: max-age="30"', "Cache-Control: max-age=60"], Reason.STALE),
        (["CDN-Cache-Control: max-age=30.5", "Cache-Control: max-age=60"], Reason.STALE),
        (["CDN-Cache-Control: max-age=30;x=1, no-store=?0", "Cache-Control: no-store"], Reason.EXPLICIT),
        (["Other-Cache-Control: max-age=30", "Cache-Control: no-store"], Reason.NO_STORE),
    ],
)
def test_a_valid_targeted_field_replaces_the_others(lines, decision):
    """RFC 9213, section 2.2: the first valid field of the list governs alone; an invalid one is not there."""
    assert admitted(*lines, policy=Policy(targeted=("CDN-Cache-Control",))).reason is decision


def test_targeted_fields_count_only_when_named():
    """A field meant for some CDN does not open here what Cache-Control closes."""
    assert admitted("CDN-Cache-Control: max-age=30", "Cache-Control: private").reason is Reason.PRIVATE


@given(st.binary(max_size=60) | st.text('a=1;,"?() \t:@*-.', max_size=30).map(str.encode))
def test_no_bytes_make_the_dictionary_parser_raise(value):
    """Parsing a structured field never raises."""
    parse_dictionary(value)
