"""URI references: RFC 3986, section 5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import Request
from cachelayer.http.uris import Target, resolve, target_of
from tests.http.support import headers, request

BASE = Target("http", "a", b"/b/c/d;p", b"q")


def text(target: Target | None) -> str | None:
    """Write a target as a URI."""
    if target is None:
        return None
    query = "?" + target.query.decode("latin-1") if target.query != b"" else ""
    return f"{target.origin}{target.path.decode('latin-1')}{query}"


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        # Section 5.4.1; fragments do not belong to what is requested.
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../g", "http://a/g"),
        # Section 5.4.2: abnormal ones.
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        # Absolute ones, with the authority normalised as in keys.
        ("http://a/g", "http://a/g"),
        ("HTTP://A:80/g", "http://a/g"),
        ("https://a:443/g", "https://a/g"),
        ("http://a:8080/g", "http://a:8080/g"),
        ("http://a.?x", "http://a/?x"),
        ("http://[::1]:81/g", "http://[::1]:81/g"),
        # Nothing is decoded.
        ("/%2e%2E/%7e?%41", "http://a/%2e%2E/%7e?%41"),
        ("//g//h//", "http://g//h//"),
        # None of HTTP, or none at all.
        ("http:g", None),
        ("http:", None),
        ("http:///g", None),
        ("mailto:a@b", None),
        ("javascript:x", None),
        ("ftp://a/g", None),
        ("http://u@a/g", None),
        ("http://a:x/g", None),
        ("http://a b/g", None),
        ("/g h", None),
        ("/g\nh", None),
        ("\\\\g", None),
        ("/\xe9", None),
        ("/\x7f", None),
        ("/!~", "http://a/!~"),
    ],
)
def test_references_are_resolved(reference, meant):
    """Sections 5.2 and 5.4: every kind of reference against the standard's base."""
    assert text(resolve(BASE, reference.encode("latin-1"))) == meant


@given(st.binary(max_size=30) | st.text("/.?#:ag%", max_size=12).map(str.encode))
def test_what_is_resolved_has_a_plain_absolute_path(reference):
    """Whatever the reference: a path from the root without dot segments, or nothing."""
    target = resolve(BASE, reference)
    if target is not None and target != BASE:
        assert target.path.startswith(b"/")
        assert not {b".", b".."} & set(target.path.split(b"/"))


@pytest.mark.parametrize(
    ("made", "meant"),
    [
        (request(path="/a", query="x=1"), "http://example.org/a?x=1"),
        (request("Host: EXAMPLE.org:80"), "http://example.org/a"),
        (request("Host: a", "Host: b"), None),
        (request("Host: a/b"), None),
        (request(path="*"), None),
        (Request("PUT", "https", b"/a", b"", (), host=b"h:443"), "https://h/a"),
        (Request("PUT", "https", b"/a", b"", headers("Host: x"), host=b"h", relevant={}), "https://h/a"),
        (Request("PUT", "https", b"/a", b"", ()), "https:///a"),
    ],
)
def test_a_request_has_a_target(made, meant):
    """RFC 9110, section 7.1: scheme, Host and request target; nothing where they make no key."""
    assert text(target_of(made)) == meant
