"""Structured fields (RFC 9651), and the targeted fields that are Dictionaries of them (RFC 9213)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http.cache_control import INVALID
from cachelayer.http.structured import dictionary, sequence, strings
from cachelayer.http.targeted import parse_dictionary

ANYTHING = st.binary(max_size=60) | st.text('ab=1;,"?()\\ \t:@*-.%', max_size=30).map(str.encode)


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"", {}),
        (b"a, b=?0, c=1", {"a": True, "b": False, "c": 1}),
        (b'a="x";p=1, b=("y" "z");q', {"a": "x", "b": ("y", "z")}),
        (b"a=1, a=2", {"a": 2}),
        (b" a=1 ,\tb ", {"a": 1, "b": True}),
    ],
)
def test_a_dictionary_is_read_without_parameters(value, members):
    """Sections 3.2 and 4.2.2: the last of several members with one key counts."""
    assert dictionary(value) == members


@pytest.mark.parametrize(
    "value", [b"a,", b",a", b"A=1", b"a=", b"a b", b'a="', b"a=(1", b"a=1;", b"a=\xc3", b"1"]
)
def test_an_error_anywhere_voids_the_field(value):
    """Section 4.2: a field that fails to parse is ignored altogether."""
    assert dictionary(value) is None


def test_only_strings_are_strings():
    """Section 3.3: Tokens, numbers and Byte Sequences are other types."""
    assert strings(sequence(b'"a", "b";p=x, ""')) == ("a", "b", "")
    assert strings(()) == ()
    for value in (b'"a", b', b'"a", 1', b'"a", ("b")', b'"a", :YQ==:', b'"a", ?1', b'%"a"'):
        assert sequence(value) is not None
        assert strings(sequence(value)) is None
    assert strings(sequence(b'"a",')) is None
    assert strings(True) is None


@given(ANYTHING)
def test_no_bytes_make_the_parser_raise(value):
    """What a peer sends is a value or nothing."""
    dictionary(value)
    sequence(value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=60", 60),
        (b"max-age=60;x=1", 60),
        (b"max-age=1, max-age=60", 60),
        (b"x=1", None),
        (b"max-age=?0", None),
        (b"max-age", INVALID),
        (b"max-age=-1", INVALID),
        (b"max-age=60.0", INVALID),
        (b'max-age="60"', INVALID),
        (b"max-age=(60)", INVALID),
    ],
)
def test_a_directive_for_one_cache_has_its_number_as_an_integer(value, seconds):
    """RFC 9213, section 2.1: of the same directives, with the types of a Dictionary."""
    directives = parse_dictionary(value)
    assert directives is not None
    assert directives.seconds(b"max-age") == seconds


@pytest.mark.parametrize(
    ("value", "restricts", "permits"),
    [(b"x", True, True), (b"x=?1", True, True), (b"x=?0", False, False), (b'x="y"', True, False),
     (b"x=y", True, False), (b"x=1", True, False), (b"x=()", True, False)],
)  # fmt: skip
def test_a_directive_with_an_argument_restricts_but_permits_nothing(value, restricts, permits):
    """`private=("a")` is still private; `public=1` is not public."""
    directives = parse_dictionary(value)
    assert directives is not None
    assert (directives.has(b"x"), directives.grants(b"x")) == (restricts, permits)


def test_a_long_field_is_read_like_a_short_one():
    """Only the memory of what was read before is bounded, not what is read."""
    directives = parse_dictionary(b"max-age=60, " + b", ".join(b"x%d" % number for number in range(200)))
    assert directives is not None
    assert directives.seconds(b"max-age") == 60
    assert len(directives.items) == 201
