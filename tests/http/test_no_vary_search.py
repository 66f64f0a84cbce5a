"""No-Vary-Search: parsing, and the equivalence of queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http.fields import index
from cachelayer.http.no_vary_search import EVERYTHING, SearchVariance, canonical_query, parse
from tests.http.support import headers


def variance(*values: str) -> SearchVariance:
    """Parse the field."""
    return parse(index(headers(*(f"No-Vary-Search: {value}" for value in values))))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["key-order"], SearchVariance(ordered=False)),
        (["key-order=?1"], SearchVariance(ordered=False)),
        (['params=("a")'], SearchVariance(("a",))),
        (['params=("b" "a" "b";x=1)'], SearchVariance(("a", "b"))),
        (['except=("x")'], SearchVariance(("x",), only=True)),
        (["except=()"], SearchVariance(only=True)),
        (['except=("x"), key-order'], SearchVariance(("x",), only=True, ordered=False)),
        (['key-order, params=("a")'], SearchVariance(("a",), ordered=False)),
        (["key-order", 'params=("a")'], SearchVariance(("a",), ordered=False)),
        # Browsers' older form.
        (["params"], SearchVariance(only=True)),
        (["params=?1"], SearchVariance(only=True)),
        (['params, except=("x")'], SearchVariance(("x",), only=True)),
        (['params, key-order, except=("x")'], SearchVariance(("x",), only=True, ordered=False)),
        # Keys are decoded as those of a query are.
        (['params=("%C3%A9+%E6%B0%97")'], SearchVariance(("\xe9 \u6c17",))),
        # Unknown keys are ignored.
        (['unknown=1, params=("a")'], SearchVariance(("a",))),
    ],
)
def test_the_field_says_what_does_not_vary(values, expected):
    """key-order, params and except, with the types they must have."""
    assert variance(*values) == expected


@pytest.mark.parametrize(
    "values",
    [
        [], [""], ["unknown-key"], ['key-order="x"'], ["key-order=1"], ['params="x"'], ["params=(token)"],
        ['params=("a" token)'], ['params=("a"), except=("x")'], ["params=(), except=()"],
        ['params=?0, except=("x")'], ["params, except=(token)"], ['params, except="x"'], ["params, except=?1"],
        ["except"], ['except=("x" 1)'], ["params=()"], ["params=?0"], ["key-order=?0"], ['params=("a"),'],
        ['params=("a"', "key-order"], ["KEY-ORDER"],
    ],
)  # fmt: skip
def test_what_breaks_the_rules_changes_nothing(values):
    """Whatever is not understood leaves the whole query significant."""
    assert variance(*values) == EVERYTHING


KEY_ORDER = SearchVariance(ordered=False)
NOT_A = SearchVariance(("a",))
ONLY_A = SearchVariance(("a",), only=True)
NOTHING = SearchVariance(only=True)


@pytest.mark.parametrize(
    ("under", "one", "other", "same"),
    [
        (EVERYTHING, b"a=b", b"a=b", True),
        (EVERYTHING, b"a=b&&c", b"a=b&c=", False),
        (EVERYTHING, b"%61=1", b"a=1", False),
        (KEY_ORDER, b"a=1&b=2", b"b=2&a=1", True),
        (KEY_ORDER, b"a=1&b=2", b"b=2&a=2", False),
        (KEY_ORDER, b"a=1&a=2", b"a=2&a=1", False),
        (KEY_ORDER, b"a=1&b=0&a=2", b"b=0&a=1&a=2", True),
        (KEY_ORDER, b"a=1", b"a=1&a=1", False),
        # The form's own equivalences.
        (KEY_ORDER, b"a=x", b"%61=%78", True),
        (KEY_ORDER, b"a=\xc3\xa9", b"a=%C3%A9", True),
        (KEY_ORDER, b"a=%f6", b"a=%ef%bf%bd", True),
        (KEY_ORDER, b"a=x&&&&", b"a=x", True),
        (KEY_ORDER, b"a=", b"a", True),
        (KEY_ORDER, b"a=%20", b"a=+", True),
        (KEY_ORDER, b"a= &", b"a=+", True),
        (KEY_ORDER, b"", b"&", True),
        (KEY_ORDER, b"=", b"", False),
        (KEY_ORDER, b"a=%26b%3D1", b"a=&b=1", False),
        (KEY_ORDER, b"a=%2B", b"a=+", False),
        (KEY_ORDER, b"a=1;b=2", b"a=1&b=2", False),
        (KEY_ORDER, b"a=%zz", b"a=%25zz", True),
        (NOT_A, b"a=1&b=2", b"b=2&a=3", True),
        (NOT_A, b"a=1&b=2", b"b=2", True),
        (NOT_A, b"%61=1&b=2", b"b=2", True),
        (NOT_A, b"A=1&b=2", b"b=2", False),
        (NOT_A, b"b=2&c=3", b"c=3&b=2", False),
        (NOT_A, b"b=1", b"b=2", False),
        (ONLY_A, b"a=1&b=2", b"c=3&a=1", True),
        (ONLY_A, b"a=1&b=2", b"a=2&b=2", False),
        (ONLY_A, b"a=1&a=2", b"a=2&a=1", False),
        (ONLY_A, b"b=2", b"", True),
        (NOTHING, b"a=1&b=2", b"x", True),
    ],
)
def test_queries_are_equivalent_modulo_the_variance(under, one, other, same):
    """Two queries are equivalent if and only if their canonical forms are equal."""
    assert (canonical_query(one, under) == canonical_query(other, under)) is same


PAIRS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "\xe9", "&="]), st.sampled_from(["", "1", "2 +"])), max_size=5
)
VARIANCES = st.builds(
    SearchVariance, st.sampled_from([(), ("a",), ("a", "\xe9")]), st.booleans(), st.booleans()
)


def written(pairs: list[tuple[str, str]], spell) -> bytes:
    """Write pairs as a query, each byte in one of the ways in which it can be."""
    return b"&".join(b"%b=%b" % (spell(name), spell(value)) for name, value in pairs)


def plainly(text: str) -> bytes:
    """Encode what must be."""
    return b"".join(
        b"%%%02x" % byte if byte in b"&=+% " or byte > 126 else bytes([byte]) for byte in text.encode()
    )


def fully(text: str) -> bytes:
    """Encode every byte."""
    return b"".join(b"%%%02X" % byte for byte in text.encode())


def significant(pairs: list[tuple[str, str]], under: SearchVariance) -> list[tuple[str, str]]:
    """Return what of the pairs the standard's comparison looks at."""
    kept = [pair for pair in pairs if (pair[0] in under.names) == under.only]
    return kept if under.ordered else sorted(kept, key=lambda pair: pair[0])


@given(PAIRS, PAIRS, VARIANCES)
def test_the_canonical_form_is_the_comparison(one, other, under):
    """Against the comparison as the standard writes it, however the parameters are encoded."""
    same = canonical_query(written(one, plainly), under) == canonical_query(written(other, fully), under)
    if under == EVERYTHING:
        assert same == (written(one, plainly) == written(other, fully))
    else:
        assert same == (significant(one, under) == significant(other, under))


@given(st.binary(max_size=30), VARIANCES)
def test_a_canonical_query_is_its_own(query, under):
    """It is a query that comes down to itself, in plain ASCII; and no query makes it raise."""
    canonical = canonical_query(query, under)
    assert canonical_query(canonical, under) == canonical
    assert under == EVERYTHING or canonical.isascii()
