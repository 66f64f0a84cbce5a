"""Which path a request asks for, where the raw one and the application's are both known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http.target import request_path


@pytest.mark.parametrize(
    ("raw", "path", "expected"),
    [
        (b"/a", b"/a", (b"/a", None)),
        (b"/a%2Fb", b"/a/b", (b"/a%2Fb", None)),
        (b"/a%20b", b"/a b", (b"/a%20b", None)),
        (b"", b"/a b", (b"/a%20b", None)),
        (b"", b"/a;b~(c)", (b"/a;b~(c)", None)),
        (b"", b"/\xc3\xa4?#", (b"/%C3%A4%3F%23", None)),
        (b"http://example.org/a%2Fb", b"/a/b", (b"/a%2Fb", None)),
        (b"/one/x", b"/x", (b"/x", b"/one/x")),
        (b"/x", b"/y z", (b"/y%20z", b"/x")),
        (b"*", b"*", (b"*", None)),
    ],
)
def test_the_path_that_counts(raw, path, expected):
    """The raw one says more, unless the application is given another one: then that counts, beside the client's."""
    assert request_path(raw, path) == expected


@given(st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=12))
def test_different_paths_stay_different(raw, path, other_raw, other_path):
    """Whatever two requests have, they get the same only if they are the same."""
    one, other = request_path(raw, b"/" + path), request_path(other_raw, b"/" + other_path)
    if one == other:
        assert path == other_path
