"""Durations as users write them."""

import math
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachelayer.durations import parse_duration
from cachelayer.errors import CacheLayerError, ConfigurationError, OptionTypeError
from tests.naming import named


class Ttl(IntEnum):
    SHORT = 60


FORMS = [
    (0, 0.0),
    (60, 60.0),
    (0.05, 0.05),
    (1e9, 1e9),
    (Ttl.SHORT, 60.0),
    (timedelta(0), 0.0),
    (timedelta(milliseconds=50), 0.05),
    (timedelta(days=31), 2_678_400.0),
    ("0s", 0.0),
    ("90s", 90.0),
    ("50ms", 0.05),
    ("5m", 300.0),
    ("2h5m", 7_500.0),
    ("1d", 86_400.0),
    ("2w", 1_209_600.0),
    ("1w1d1h1m1s1ms", 694_861.001),
    ("1.5h", 5_400.0),
    ("5m2h", 7_500.0),
    ("1m1m", 120.0),
    (" 2h 5m ", 7_500.0),
    ("2 h  5 m", 7_500.0),
    ("5 ms", 0.005),
    ("2H5M", 7_500.0),
]


@pytest.mark.parametrize(("written", "seconds"), FORMS, ids=[repr(form) for form, _ in FORMS])
def test_each_form_is_seconds(written, seconds):
    """Seconds, timedelta and text with units all become float seconds."""
    parsed = parse_duration(written)
    assert type(parsed) is float
    assert parsed == pytest.approx(seconds)


def test_none_stays_none():
    """None is for ever, and not a number."""
    assert parse_duration(None) is None


BAD_VALUES = [
    -1, -0.001, math.nan, math.inf, -math.inf, 10**400, -(10**400), timedelta(seconds=-1), "", " ", "s", "5", "5.0",
    "-5s", "+5s", "5 minutes", "5y", "5 s x", "1,5s", "1.s", ".5s", "1e3s", "5ms\u0300", "\u0665m", "\uff15m",
    "5m\n", "\t5m", "nan", "infs", "9" * 400 + "w", "5M S", "5m s", "1 5m", "1. 5s", "1..5s", "None",
]  # fmt: skip


@pytest.mark.parametrize("value", BAD_VALUES, ids=lambda value: ascii(value)[:20])
def test_a_value_that_is_no_duration_is_refused(value):
    """Negative, endless or unreadable durations raise a ValueError that names the option and what works."""
    with pytest.raises(ConfigurationError, match=r"stale_for.*(give seconds, a timedelta|None)") as caught:
        parse_duration(value, name="stale_for")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "value", [True, False, b"5m", [], {}, object(), 5j, Decimal(5), Fraction(1, 2), ("5m",)], ids=named
)
def test_another_type_is_refused(value):
    """Other types raise a TypeError that names the option, the type and what works; True is not one second."""
    with pytest.raises(
        OptionTypeError, match=rf"^lease cannot be {type(value).__name__} .*give seconds"
    ) as caught:
        parse_duration(value, name="lease")
    assert isinstance(caught.value, TypeError)


def test_the_option_is_called_ttl_unless_it_is_said():
    """Most durations are ttls."""
    with pytest.raises(ConfigurationError, match=r"^ttl=-1 "):
        parse_duration(-1)


@settings(max_examples=60)
@given(st.text(max_size=20) | st.text("0123456789.mshdw ", max_size=20))
def test_no_text_makes_it_crash(text):
    """Any text is either a duration or refused by an error of ours."""
    try:
        seconds = parse_duration(text)
    except CacheLayerError:
        return
    assert seconds is not None
    assert 0 <= seconds < math.inf


@given(st.integers() | st.floats() | st.timedeltas() | st.booleans() | st.none() | st.binary())
def test_no_value_makes_it_crash(value):
    """Any value is a duration, for ever, or refused by an error of ours."""
    try:
        seconds = parse_duration(value)
    except CacheLayerError:
        return
    assert seconds is None or 0 <= seconds < math.inf


@given(
    st.lists(st.tuples(st.integers(0, 9_999), st.sampled_from(["ms", "s", "m", "h", "d", "w"])), min_size=1)
)
def test_parts_add_up(parts):
    """A text is the sum of its parts, in any order and number."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert parse_duration(text) == pytest.approx(sum(number * units[unit] for number, unit in parts))
