"""HTTP dates: RFC 9110, section 5.6.7, and RFC 9111, section 4.2."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http.dates import format_date, parse_date

NOW = datetime(2024, 6, 1, tzinfo=UTC).timestamp()
MOMENT = 784111777.0  # 1994-11-06T08:49:37Z, the RFC's own example


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 06 nov 1994 08:49:37 gmt",
    ],
)
def test_every_form_of_a_date_is_read_in_any_case(text):
    """All three forms are accepted, and matched without regard to case."""
    assert parse_date(text.encode(), NOW) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "-1", "784111777", "garbage", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06  Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "\xb2un, 06 Nov 1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_nothing_else_is_a_date(text):
    """What has none of the three forms, another zone, or no such day is no date."""
    assert parse_date(text.encode("latin-1"), NOW) is None


@pytest.mark.parametrize(
    ("digits", "year"), [("74", 2074), ("75", 1975), ("99", 1999), ("24", 2024), ("00", 2000)]
)
def test_a_two_digit_year_is_at_most_fifty_years_ahead(digits, year):
    """What would be more than 50 years in the future is in the past."""
    expected = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    assert parse_date(f"Sunday, 01-Jan-{digits} 00:00:00 GMT".encode(), NOW) == expected


def test_a_leap_second_is_the_second_before():
    """A time that the clock cannot hold is never later than it was said to be."""
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == parse_date(
        b"Sat, 31 Dec 2016 23:59:59 GMT", NOW
    )


@given(st.integers(min_value=-62135596800 + 86400, max_value=253402300799))
def test_a_date_reads_back(moment):
    """What is formatted is read as the same second."""
    assert parse_date(format_date(moment), NOW) == moment


@given(st.binary(max_size=60))
def test_no_bytes_make_the_parser_raise(value):
    """Reading a date never raises."""
    parse_date(value, NOW)
