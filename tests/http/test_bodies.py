"""Requests with content: RFC 10008 (QUERY), section 2.7; POST for later GETs: RFC 9110, section 9.3.3."""

import pytest

from cachelayer.http import ResponseHead
from cachelayer.http.bodies import body_part, post_answers_get
from tests.http.support import date, headers, request

JSON = "Content-Type: application/json"


def part(*lines: str, content: bytes = b"{}", method: str = "QUERY") -> tuple[bytes, ...]:
    """Return the part of the key for a request."""
    return body_part(request(*lines, method=method), content)


@pytest.mark.parametrize(
    ("lines", "content", "method"),
    [
        ([JSON], b"{ }", "QUERY"),
        ([JSON], b"", "QUERY"),
        ([JSON], b"{}", "POST"),
        (["Content-Type: text/plain"], b"{}", "QUERY"),
        (["Content-Type: application/json; charset=utf-8"], b"{}", "QUERY"),
        ([], b"{}", "QUERY"),
        (["Content-Type: "], b"{}", "QUERY"),
        ([JSON, JSON], b"{}", "QUERY"),
        ([JSON, "Content-Encoding: gzip"], b"{}", "QUERY"),
        ([JSON, "Content-Language: en"], b"{}", "QUERY"),
    ],
)
def test_content_and_its_metadata_are_part_of_the_key(lines, content, method):
    """Section 2.7: what asks something else, or in another way, is looked up under another key."""
    assert part(*lines, content=content, method=method) != part(JSON)


def test_the_same_content_gives_the_same_part():
    """Fields that do not tell how the content is read do not count, nor does the case of names."""
    assert part("content-type: application/json", "X-A: 1", "Content-Length: 2") == part(JSON)


def test_metadata_cannot_pass_for_other_metadata():
    """The number of lines stands before them, so no value takes another field's place."""
    assert part("Content-Type: content-encoding", "Content-Encoding: x") != part("Content-Type: x")
    assert part("Content-Type: a", "Content-Type: b") != part("Content-Type: a, b")


FRESH, HERE = "Cache-Control: max-age=60", "Content-Location: /a?x=1"


@pytest.mark.parametrize(
    ("lines", "method", "status", "answers"),
    [
        ([FRESH, HERE], "POST", 200, True),
        ([FRESH, "Content-Location: http://EXAMPLE.org:80/a?x=1"], "POST", 200, True),
        ([FRESH, "Content-Location: "], "POST", 200, True),
        ([f"Expires: {date(60)}", HERE], "POST", 200, True),
        (["Cache-Control: s-maxage=60", HERE], "POST", 200, True),
        # Explicit freshness and the same URI: both are needed.
        ([HERE], "POST", 200, False),
        ([f"Last-Modified: {date(-60)}", HERE], "POST", 200, False),
        (["Cache-Control: public", HERE], "POST", 200, False),
        ([FRESH], "POST", 200, False),
        ([FRESH, "Content-Location: /a"], "POST", 200, False),
        ([FRESH, "Content-Location: /a?x=2"], "POST", 200, False),
        ([FRESH, "Content-Location: https://example.org/a?x=1"], "POST", 200, False),
        ([FRESH, "Content-Location: http://example.com/a?x=1"], "POST", 200, False),
        ([FRESH, "Content-Location: /%61?x=1"], "POST", 200, False),
        ([FRESH, "Content-Location: a b"], "POST", 200, False),
        ([FRESH, HERE, HERE], "POST", 200, False),
        ([FRESH, "Location: /a?x=1"], "POST", 200, False),
        # Nor is what another method or status says a GET's answer.
        ([FRESH, HERE], "PUT", 200, False),
        ([FRESH, HERE], "POST", 201, False),
        ([FRESH, HERE], "POST", 404, False),
    ],
)
def test_a_post_answers_later_gets_where_it_says_so(lines, method, status, answers):
    """RFC 9110, section 9.3.3: explicit freshness, and Content-Location with the target URI as its value."""
    asked = request(method=method, path="/a", query="x=1")
    assert post_answers_get(asked, ResponseHead(status, headers(*lines))) is answers
