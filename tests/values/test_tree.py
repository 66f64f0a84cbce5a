"""Plain values as bytes, each with its own type: functions.md 20."""

import collections
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import pathlib
import zoneinfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.nodes import NAMES, add_node
from cachelayer.values.tree import decode_tree, encode_tree

ZONES = st.one_of(
    st.none(),
    st.timezones(),
    st.just(dt.UTC),
    st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone),
    st.builds(dt.timezone, st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)), st.text("abc")),
)
hashables = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.complex_numbers(),
        st.text(),
        st.binary(),
        st.decimals(allow_nan=False),
        st.dates(),
        st.datetimes(timezones=ZONES),
        st.times(),
        st.timedeltas(),
        st.uuids(),
        st.fractions(),
        st.ip_addresses(),
        st.builds(range, st.integers(-(2**70), 2**70), st.integers(-9, 9), st.integers(1, 9)),
        st.builds(pathlib.PurePosixPath, st.text("ab/.", max_size=5)),
        # Some, such as //./ on Python 3.11, do not come back from their own text.
        st.builds(pathlib.PureWindowsPath, st.text("ab\\.", max_size=5)).filter(
            lambda path: pathlib.PureWindowsPath(str(path)) == path
        ),
        st.timezone_keys().map(zoneinfo.ZoneInfo),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)
values = st.recursive(
    st.one_of(hashables, st.sets(hashables, max_size=3), st.binary(max_size=5).map(bytearray)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(collections.deque),
        st.lists(inner, max_size=3).map(lambda items: collections.deque(items, 5)),
        st.dictionaries(hashables, inner, max_size=3).map(collections.OrderedDict),
        st.dictionaries(hashables, inner, max_size=3).map(lambda items: collections.defaultdict(list, items)),
        st.dictionaries(hashables, st.integers(), max_size=3).map(collections.Counter),
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashables, inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=12,
)


def shape(value):
    """Return what tells a value from any that is not the very same."""
    kind = type(value)
    if kind in (list, tuple, collections.deque):
        return kind, tuple(map(shape, value)), getattr(value, "maxlen", None)
    if kind in (set, frozenset):
        return kind, frozenset(map(shape, value))
    if issubclass(kind, dict):
        factory = getattr(value, "default_factory", None)
        return kind, factory, tuple((shape(key), shape(item)) for key, item in value.items())
    if kind in (dt.datetime, dt.time):
        return kind, value.replace(tzinfo=None), value.fold, repr(value.tzinfo)
    return kind, repr(value)


@given(values)
def test_every_plain_value_comes_back_as_it_was(value):
    """20: equal, of its own type, in its own order, at every depth."""
    assert shape(decode_tree(encode_tree(value))) == shape(value)


@given(st.binary(max_size=60))
def test_foreign_bytes_raise_nothing_but_decoding_errors(data):
    """21: whatever bytes are read, they are a value or a DecodingError."""
    try:
        decode_tree(data)
    except DecodingError:
        pass


json_like = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 20), st.text(max_size=3), st.binary(max_size=3), st.floats()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(json_like)
def test_foreign_messages_raise_nothing_but_decoding_errors(message):
    """21: well-formed MessagePack that is no value of ours is a DecodingError too."""
    try:
        decode_tree(msgspec.msgpack.encode(message))
    except DecodingError:
        pass


@given(values, st.data())
def test_truncated_bytes_are_refused(value, data):
    """21: bytes that end too soon are a DecodingError."""
    packed = encode_tree(value)
    with pytest.raises(DecodingError):
        decode_tree(packed[: data.draw(st.integers(0, len(packed) - 1))])


class Level(enum.IntEnum):
    LOW = 1


class Text(str):  # noqa: SLOT000 - it takes attributes
    pass


def endless():
    """Return a list that contains itself."""
    value = []
    value.append(value)
    return value


REFUSED = {
    "object": object(),
    "enum": Level.LOW,
    "subclass": Text("x"),
    "within": {"a": [object()]},
    "surrogate": "\ud800",
    "surrogate as key": {"\ud800": 1},
    "zone of one's own": dt.datetime(2025, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {})()),
    "defaultdict of a function": collections.defaultdict(lambda: 1),
    "nested too deep": endless(),
    "class": int,
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_would_not_come_back_as_it_was_is_refused(value):
    """20: exact types only: EncodingError rather than a value of another type."""
    with pytest.raises(EncodingError):
        encode_tree(value)


def test_a_zone_that_is_not_known_here_is_refused():
    """21: a name of a zone that this machine does not have is a DecodingError."""
    packed = encode_tree(dt.datetime(2025, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")))
    with pytest.raises(DecodingError):
        decode_tree(packed.replace(b"Europe/Paris", b"Europe/Nowhr"))


def test_decimals_keep_their_digits():
    """20: 1.10 is not 1.1."""
    for text in ("1.10", "-0", "1E+5", "NaN", "sNaN123", "Infinity"):
        assert str(decode_tree(encode_tree(decimal.Decimal(text)))) == text


OTHERS = [
    pathlib.Path("/tmp") / "x",
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_interface("10.0.0.1/8"),
    ipaddress.ip_network("::/64"),
    ipaddress.ip_interface("::1/64"),
    ipaddress.ip_address("fe80::1%eth0"),
    fractions.Fraction(2**80, 3),
    collections.deque([[1]], 0),
    collections.deque(),
    collections.defaultdict(None, a=1),
    msgspec.UNSET,
    dt.timezone(dt.timedelta(hours=1), "X"),
    bytearray(),
]


@pytest.mark.parametrize("value", OTHERS, ids=repr)
def test_the_standard_library_comes_back_as_it_was(value):
    """20: whatever of it has a codec, at the top and within others."""
    assert shape(decode_tree(encode_tree(value))) == shape(value)
    assert shape(decode_tree(encode_tree({"a": [value]}))) == shape({"a": [value]})


def test_a_decoded_defaultdict_makes_its_defaults():
    """20: the factory comes back, too."""
    copy = decode_tree(encode_tree(collections.defaultdict(set, a={1})))
    assert copy["new"] == set()


def test_the_numbers_of_nodes_are_what_they_always_were():
    """The numbers are part of the format: what is stored under one must not be read as another type."""
    assert [NAMES[number] for number in range(25)] == [
        "list", "tuple", "set", "frozenset", "dict", "int", "complex", "Decimal", "datetime", "date", "time",
        "timedelta", "UUID", "object", "bytearray", "range", "Fraction", "path", "address", "OrderedDict",
        "Counter", "deque", "defaultdict", "zone", "unset",
    ]  # fmt: skip
    assert [NAMES[number] for number in range(32, 39) if number in NAMES] == [
        "npy", "npy scalar", "Arrow table", "Arrow batch", "frame", "series", "index",
    ]  # fmt: skip


def test_a_number_is_given_once():
    """The numbers are part of the format: two codecs of one number are a mistake that shows at import."""
    with pytest.raises(ValueError, match="node 0 is list already"):
        add_node(0, "other", lambda parts, known: None)


STORED = {
    "none": (None, "c0"),
    "mixed": ((1, "a", [b"b"]), "940101a1619200c40162"),
    "big": (2**70, "9205b43078343030303030303030303030303030303030"),
    "dict": ({1: 2.5}, "930401cb4004000000000000"),
    "date": (dt.date(2025, 1, 2), "9209aa323032352d30312d3032"),
}


@pytest.mark.parametrize(("value", "data"), STORED.values(), ids=STORED)
def test_stored_bytes_stay_readable(value, data):
    """21: what one version wrote, the next one reads."""
    assert encode_tree(value).hex() == data
    assert decode_tree(bytes.fromhex(data)) == value
