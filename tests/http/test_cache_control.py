"""Cache-Control: RFC 9111, sections 1.2.2, 4.2.1, 5.2 and 5.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http.cache_control import INVALID, MAX_SECONDS, Directive, of_message, parse
from cachelayer.http.fields import index, members
from tests.http.support import headers


def says(*values: str):
    """Parse the values of one field line each."""
    return parse(tuple(value.encode("latin-1") for value in values))


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["max-age=60"], 60),
        (["Max-AGE=60"], 60),
        (['max-age="60"'], 60),
        (['max-age="\\60"'], 60),
        (["public, max-age=60"], 60),
        (["public", "max-age=60"], 60),
        (["max-age=0060"], 60),
        ([",, max-age=60,,"], 60),
        (["max-age=60, max-age=60"], 60),
        (['x="max-age=1", max-age=60'], 60),
        (['x="a,\\",max-age=1", max-age=60'], 60),
        (["x-max-age=60"], None),
        (['x="max-age=60"'], None),
        ([], None),
    ],
)
def test_seconds_are_read_from_tokens_and_quoted_strings_over_many_lines(values, seconds):
    """A directive is found in any case, form and line, and not inside another's argument."""
    assert says(*values).seconds(b"max-age") == seconds


@pytest.mark.parametrize(
    "value",
    ["max-age", "max-age=", "max-age=a1", "max-age=1a", "max-age=-1", "max-age=+1", "max-age=1.0", "max-age =1",
     "max-age= 1", "max-age=1 2", "max-age='1'", 'max-age="1', "max-age=\xb2", "max-age=1, max-age=2",
     "max-age=1, max-age=x", "max-age=1; private"],
)  # fmt: skip
def test_seconds_that_are_no_number_are_invalid(value):
    """Invalid and contradicting values are told apart from absent ones."""
    assert says(value).seconds(b"max-age") == INVALID


@pytest.mark.parametrize("digits", ["2147483648", "2147483649", "9" * 11, "9" * 10_000])
def test_a_number_too_large_is_the_largest(digits):
    """Section 1.2.2: overflow counts as 2147483648."""
    assert says(f"max-age={digits}").seconds(b"max-age") == MAX_SECONDS


@pytest.mark.parametrize(
    "value",
    ["no-store", "NO-STORE", "no-store=", "no-store=1", 'no-store="x"', "no-store ;", "no-store;x", 'x="a, no-store',
     "max-age=1 no-store", "=no-store", "x y no-store"],
)  # fmt: skip
def test_a_damaged_restriction_is_honoured(value):
    """An error in the grammar never hides a restriction."""
    assert says(value).has(b"no-store")


@pytest.mark.parametrize("value", ["no-storex", "x-no-store", 'x="no-store"', "nostore"])
def test_another_name_is_no_restriction(value):
    """Names are compared whole."""
    assert not says(value).has(b"no-store")


@pytest.mark.parametrize("value", ["public=", "public x", "public=1", 'public="x"', "public;"])
def test_a_damaged_permission_grants_nothing(value):
    """An error in the grammar never permits."""
    assert not says(value).grants(b"public")


def test_unknown_directives_are_kept_in_order():
    """Extensions are there for whoever knows them."""
    assert says('a, b=c, d="e, f"').items == (
        Directive(b"a"), Directive(b"b", b"c"), Directive(b"d", b"e, f"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "no_cache"),
    [
        (["Pragma: no-cache"], True),
        (["pragma: NO-CACHE"], True),
        (["Pragma: no-cache", "Cache-Control: max-age=1"], False),
        (["Pragma: no-cache", "Cache-Control: "], True),
        (["Pragma: x"], False),
    ],
)
def test_pragma_counts_only_without_cache_control(lines, no_cache):
    """Section 5.4: Pragma is looked at where no Cache-Control says otherwise."""
    assert of_message(index(headers(*lines))).has(b"no-cache") is no_cache


@given(st.lists(st.binary(max_size=80), max_size=3))
def test_no_bytes_make_the_parser_raise(values):
    """Parsing never raises."""
    directives = parse(tuple(values))
    for item in directives.items:
        directives.seconds(item.name)


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8).map(str.encode)
ARGUMENTS = st.none() | st.binary(max_size=8).filter(lambda value: not set(value) & set(b"\r\n"))


@given(st.lists(st.tuples(TOKENS, ARGUMENTS), max_size=5))
def test_directives_read_back(directives):
    """Whatever is written as quoted strings is read as it was."""
    written = [
        name
        if argument is None
        else name + b'="' + argument.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        for name, argument in directives
    ]
    assert parse((b", ".join(written),)).items == tuple(Directive(*pair) for pair in directives)


def test_a_long_damaged_field_takes_no_long_time():
    """Twenty thousand bytes of quotes and escapes are read in linear time."""
    assert list(members((b'"\\' * 10_000,)))
    assert list(members((b'"a,' * 7_000,)))
