"""Cache groups: RFC 9875."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import ResponseHead
from cachelayer.http.fields import index
from cachelayer.http.groups import MAX_GROUPS, MAX_NAME_LENGTH, group_tags, invalidated_groups
from tests.http.support import headers

ORIGIN = "https://example.org"


def of(*lines: str, origin: str = ORIGIN) -> tuple[str, ...]:
    """Return the tags of a response's groups."""
    return group_tags(origin, index(headers(*lines)))


def by(*lines: str, method: str = "POST", status: int = 200, origin: str = ORIGIN) -> tuple[str, ...]:
    """Return the tags that a response invalidates."""
    return invalidated_groups(origin, method, ResponseHead(status, headers(*lines)))


def names(tags: tuple[str, ...]) -> list[str]:
    """Return the groups' names."""
    return [tag.removeprefix(f"\0group {ORIGIN} ") for tag in tags]


@pytest.mark.parametrize(
    ("lines", "groups"),
    [
        (['Cache-Groups: "a"'], ["a"]),
        (['Cache-Groups: "a", "b"'], ["a", "b"]),
        (['Cache-Groups: "a"', 'cache-groups: "b"'], ["a", "b"]),
        (['Cache-Groups: "a", "a"'], ["a"]),
        # Section 2: parameters that are not known are ignored; names are case-sensitive and opaque.
        (['Cache-Groups: "a";x=1, "A"'], ["a", "A"]),
        (['Cache-Groups: "with space, \\"quotes\\""'], ['with space, "quotes"']),
        (['Cache-Groups: ""'], [""]),
        # No List of Strings: the field does not count at all.
        (['Cache-Groups: "a", b'], []),
        (['Cache-Groups: "a", ("b")'], []),
        (["Cache-Groups: a"], []),
        (['Cache-Groups: "a",'], []),
        (['Cache-Groups: "a'], []),
        (["Cache-Groups: "], []),
        (['X-Cache-Groups: "a"'], []),
        ([], []),
    ],
)
def test_a_response_belongs_to_the_groups_it_names(lines, groups):
    """Section 2: Cache-Groups is a List of Strings."""
    assert names(of(*lines)) == groups


def test_as_many_groups_as_the_standard_asks_for():
    """Section 2: at least 32 groups with names of at least 32 characters; and a bound, which is higher."""
    many = [f"{number:032}" for number in range(MAX_GROUPS + 1)]
    listed = ", ".join(f'"{name}"' for name in many)
    assert names(of(f"Cache-Groups: {listed}")) == many[:MAX_GROUPS]
    assert MAX_GROUPS >= 32
    long = "x" * MAX_NAME_LENGTH
    assert names(of(f'Cache-Groups: "{long}", "y{long}", "z"')) == [long, "z"]
    assert MAX_NAME_LENGTH >= 32


def test_a_group_is_one_origins_own():
    """Section 2.1: the same name at another origin is another group, and no user's tag."""
    line = 'Cache-Groups: "a"'
    origins = [ORIGIN, "http://example.org", "https://example.org:8443", "https://example.com"]
    assert len({of(line, origin=origin) for origin in origins} | {("a",)}) == 5


@given(st.text("a /:", max_size=4), st.text("a /:", max_size=4))
def test_no_two_groups_share_a_tag(one, other):
    """Whatever the names: an origin has no space, so where it ends is clear."""
    tags = {
        of(f'Cache-Groups: "{name}"', origin=origin) for name in (one, other) for origin in ("h://a", "h://b")
    }
    assert len(tags) == 2 * len({one, other})


def test_an_unsafe_request_invalidates_the_groups_named():
    """Section 3: the tags are those of the responses, whatever the status: the origin says so itself."""
    lines = ('Cache-Group-Invalidation: "a", "b"', 'Cache-Groups: "c"')
    assert by(*lines) == of('Cache-Groups: "a", "b"')
    assert by(*lines, method="FROBNICATE", status=409) == of('Cache-Groups: "a", "b"')
    assert by('Cache-Groups: "c"') == ()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "QUERY"])
def test_a_safe_request_invalidates_no_group(method):
    """Section 3: the field must be ignored on responses to safe methods."""
    assert by('Cache-Group-Invalidation: "a"', method=method) == ()


def test_what_is_no_list_of_strings_invalidates_nothing():
    """RFC 9651, section 4.2: a field that does not parse does not count."""
    assert by('Cache-Group-Invalidation: "a", b') == ()
