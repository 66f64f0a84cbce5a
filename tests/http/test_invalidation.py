"""Invalidation: RFC 9111, section 4.4."""

import pytest

from cachelayer.http import ResponseHead
from cachelayer.http.invalidation import invalidated
from tests.http.support import headers, request

ITSELF = "http://example.org/a?x=1"


def outdated(
    *lines: str, method: str = "POST", status: int = 200, host: str = "Host: example.org"
) -> list[str]:
    """Return the URIs that a response invalidates."""
    found = invalidated(
        request(host, method=method, path="/a", query="x=1"), ResponseHead(status, headers(*lines))
    )
    return [
        f"{target.origin}{target.path.decode()}" + (f"?{target.query.decode()}" if target.query else "")
        for target in found
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL", "FROBNICATE", "get"])
def test_an_unsafe_method_outdates_what_it_was_for(method):
    """The target URI must be invalidated, of methods whose safety is not known too."""
    assert outdated(method=method) == [ITSELF]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"]
)
def test_a_safe_method_outdates_nothing(method):
    """RFC 9110, section 9.2.1: its registered meaning is to change nothing."""
    assert outdated("Location: /b", method=method) == []


@pytest.mark.parametrize(
    ("status", "outdates"),
    [(200, True), (201, True), (204, True), (299, True), (302, True), (303, True), (304, True), (399, True),
     (100, False), (400, False), (404, False), (409, False), (500, False), (503, False)],
)  # fmt: skip
def test_only_what_is_no_error_outdates(status, outdates):
    """A non-error response is one with 2xx or 3xx."""
    assert bool(outdated(status=status)) is outdates


@pytest.mark.parametrize(
    ("lines", "others"),
    [
        (["Location: /b"], ["http://example.org/b"]),
        (["content-location: b?y=2#f"], ["http://example.org/b?y=2"]),
        (["Location: /b", "Content-Location: /c"], ["http://example.org/b", "http://example.org/c"]),
        (["Location: HTTP://Example.ORG:80/b"], ["http://example.org/b"]),
        (["Location: //example.org/b"], ["http://example.org/b"]),
        # What is there already is not named again.
        (["Location: /b", "Content-Location: b"], ["http://example.org/b"]),
        (["Location: ", "Content-Location: /a?x=1"], []),
        # Another origin's responses must not be invalidated: host, port and scheme count.
        (["Location: http://example.com/b"], []),
        (["Location: http://www.example.org/b"], []),
        (["Location: https://example.org/b"], []),
        (["Location: http://example.org:8080/b"], []),
        (["Location: //evil@example.org/b"], []),
        (["Location: http://example.org.evil.com/b"], []),
        # Garbage.
        (["Location: /b c"], []),
        (["Location: http://example.org:x/b"], []),
        (["Location: \\\\example.org\\b"], []),
        (["Link: /b", "X-Location: /c"], []),
    ],
)
def test_same_origin_references_are_outdated_too(lines, others):
    """Location and Content-Location, wherever they point to within the origin (RFC 9110, section 4.3.1)."""
    assert outdated(*lines) == [ITSELF, *others]


def test_a_request_without_a_host_to_tell_outdates_nothing():
    """What has no key has no stored response."""
    assert outdated(host="Host: a b") == []
