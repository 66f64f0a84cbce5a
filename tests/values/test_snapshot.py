"""Values kept within a process: functions.md 19 and 20."""

import dataclasses
import datetime as dt
import threading
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.codecs import Failure, ValueCodec
from cachelayer.values.snapshot import snapshot


class Zone(dt.tzinfo):
    """A zone that can be changed."""

    def __init__(self, hours=1):
        self.hours = hours

    def utcoffset(self, when):
        """Be a zone."""
        return dt.timedelta(hours=self.hours)

    def __getinitargs__(self):
        return (self.hours,)


@dataclasses.dataclass
class Point:
    x: int


KEPT = [
    None,
    5,
    2**80,
    "text",
    "\ud800",
    b"bytes",
    (1, ("a", frozenset({2}))),
    dt.datetime(2025, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
]


@pytest.mark.parametrize("value", KEPT, ids=[type(v).__name__ + str(n) for n, v in enumerate(KEPT)])
def test_what_cannot_be_changed_is_kept_as_it_is(value):
    """19: immutable values are given as they are, without a copy."""
    assert snapshot(value).value() is value or value == "\ud800"
    assert snapshot(value).value() == value


COPIED = [
    [1],
    {"a": 1},
    {1},
    {1: "a"},
    [[1]],
    {"a": {"b": []}},
    ([1],),
    (1, {"a": 1}),
    {"a": "\ud800", "b": ["\ud800"]},
    ["\ud800", []],
    {"a": 2**70},
    bytearray(b"x"),
    Point(1),
    [Point(1)],
    dt.datetime(2025, 1, 1, tzinfo=Zone()).tzinfo,
]


@pytest.mark.parametrize("value", COPIED, ids=[type(v).__name__ + str(n) for n, v in enumerate(COPIED)])
def test_what_can_be_changed_is_copied_each_time(value):
    """19: every caller gets an equal value of its own, of the same type."""
    kept = snapshot(value)
    one, two = kept.value(), kept.value()
    assert type(one) is type(two) is type(value)
    assert one is not two
    assert one is not value
    if not isinstance(value, Zone):
        assert one == two == value


def test_a_time_with_a_zone_of_ones_own_is_copied():
    """19: a zone may hold state, which callers could change."""
    value = dt.datetime(2025, 1, 1, tzinfo=Zone())
    copy = snapshot(value).value()
    copy.tzinfo.hours = 5
    assert snapshot(value).value().tzinfo.hours == 1


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.tuples(inner, inner),
    ),
    max_leaves=10,
)


def parts(value):
    """Yield every part of a value with its address."""
    yield id(value), value
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    ):
        yield from parts(item)


@given(plain)
def test_two_copies_share_nothing_that_can_be_changed(value):
    """19: at no depth do two callers hold the same list or dict."""
    kept = snapshot(value)
    one, two = kept.value(), kept.value()
    assert repr(one) == repr(two) == repr(value)
    mutable = [
        {place for place, part in parts(each) if isinstance(part, (list, dict))} for each in (one, two, value)
    ]
    assert not mutable[0] & mutable[1]
    assert not mutable[0] & mutable[2]


@given(plain)
def test_the_size_is_that_of_the_bytes(value):
    """backends.md, bounds: an entry counts as many bytes as its value takes."""
    kept = snapshot(value)
    data = kept.payload if kept.encode is None else kept.encode(kept.payload)
    assert kept.size == len(data)


@pytest.mark.parametrize("value", [threading.Lock(), (x for x in ()), lambda: 1, [threading.Lock()]])
def test_what_cannot_be_copied_is_refused(value):
    """19: EncodingError, whatever pickle makes of it."""
    with pytest.raises(EncodingError, match="cannot be copied"):
        snapshot(value)


def fails():
    """Fail, as unpickling."""
    raise OSError("gone")


class Stubborn:
    def __reduce__(self):
        return fails, ()


def test_what_does_not_come_back_is_a_decoding_error():
    """21: a class whose unpickling fails is a miss for the flow (DecodingError), and for the hit path (KeyError)."""
    kept = snapshot(Stubborn())
    for kind in (DecodingError, KeyError):
        with pytest.raises(kind, match="does not come back: gone"):
            kept.value()


def test_a_failure_is_put_together_anew_each_time():
    """29: a kept exception is a new one for each caller, with its own attributes."""
    error = LookupError("x")
    error.detail = ["mine"]
    kept = ValueCodec(None, (LookupError,)).keep(Failure(error))
    one, two = kept.value().error, kept.value().error
    assert one is not two
    assert (type(one), one.args, one.detail) == (LookupError, ("x",), ["mine"])
    assert one.detail is not two.detail
    assert one.__traceback__ is None
