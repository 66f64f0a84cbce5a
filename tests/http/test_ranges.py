"""Ranges of stored responses: RFC 9110, sections 13.1.5, 14 and 15.3.7."""

import re
from email import message_from_bytes, policy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http.fields import index
from cachelayer.http.ranges import MAX_RANGES, Ranged, ranged, satisfiable
from tests.http.support import date, headers, stored

BODY = b"0123456789"
OLD = date(-3600)


def kept(*lines: str, body: bytes = BODY, status: int = 200):
    """Store a response with these fields."""
    return stored("Cache-Control: max-age=7200", *lines, body=body, status=status)


def answer(wanted: str, *lines: str, entry=None, method: str = "GET") -> Ranged | None:
    """Ask for ranges of a stored response."""
    return ranged(entry or kept(), method, index(headers(f"Range: {wanted}", *lines)))


def field(made: Ranged, name: bytes) -> bytes | None:
    """Return the only line of a field."""
    values = index(made.headers).get(name, ())
    assert len(values) <= 1
    return values[0] if values else None


@pytest.mark.parametrize(
    ("wanted", "said", "body"),
    [
        ("bytes=0-0", b"bytes 0-0/10", b"0"),
        ("bytes=2-4", b"bytes 2-4/10", b"234"),
        ("bytes=7-", b"bytes 7-9/10", b"789"),
        ("bytes=0-", b"bytes 0-9/10", BODY),
        ("bytes=9-9", b"bytes 9-9/10", b"9"),
        # Section 14.1.2: what reaches beyond the end is cut there.
        ("bytes=8-100", b"bytes 8-9/10", b"89"),
        ("bytes=0-9999999999999999999", b"bytes 0-9/10", BODY),
        # The last bytes; all of them where there are fewer.
        ("bytes=-3", b"bytes 7-9/10", b"789"),
        ("bytes=-10", b"bytes 0-9/10", BODY),
        ("bytes=-11", b"bytes 0-9/10", BODY),
        # Section 14.1: units in any case; section 5.6.1.2: empty members do not count.
        ("BYTES=2-4", b"bytes 2-4/10", b"234"),
        ("bytes=, 2-4\t,", b"bytes 2-4/10", b"234"),
        # Section 15.3.7.2: one of several that is left is sent as a single one.
        ("bytes=2-4, 10-", b"bytes 2-4/10", b"234"),
        ("bytes=-0, 2-4", b"bytes 2-4/10", b"234"),
    ],
)
def test_a_single_range_is_sent_with_its_place(wanted, said, body):
    """Section 15.3.7.1: 206 with Content-Range and the length of the part."""
    made = answer(wanted)
    assert made is not None
    assert (made.status, field(made, b"content-range"), made.body) == (206, said, body)
    assert field(made, b"content-length") == b"%d" % len(body)


@pytest.mark.parametrize(
    "wanted", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99-, 10-11", "bytes=99-,-0"]
)
def test_ranges_beyond_the_end_cannot_be_satisfied(wanted):
    """Section 15.5.17: 416 tells the length that there is, and nothing of the whole response's metadata."""
    entry = kept('ETag: "1"', "Content-Type: text/plain", "Content-Length: 10", f"Date: {date()}", "Vary: Origin",
                 "Access-Control-Allow-Origin: *", "X-A: 1")  # fmt: skip
    made = answer(wanted, entry=entry)
    assert made is not None
    assert (made.status, made.body) == (416, b"")
    assert made.headers == headers(
        f"Date: {date()}",
        "Vary: Origin",
        "Access-Control-Allow-Origin: *",
        "content-range: bytes */10",
        "content-length: 0",
    )


@pytest.mark.parametrize(
    "wanted",
    [
        "items=0-1", "bytes", "bytes=", "bytes=,", "bytes 0-1", "bytes =0-1", "=0-1", "", "0-1",
        "bytes=-", "bytes=a-", "bytes=0", "bytes=1-a", "bytes=+1-2", "bytes=1--2", "bytes=1 - 2", "bytes=0x1-2",
        # Section 14.1.1: a last position before the first makes the whole set invalid.
        "bytes=4-2", "bytes=0-1, 4-2", "bytes=12-11", "bytes=0-1;2-3", "bytes=0-1, x=2",
        f"bytes={'9' * 5000}-", f"bytes=-{'9' * 5000}", "bytes=\xb2-3",
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_ignored(wanted):
    """Section 14.2: unknown units and invalid sets of ranges leave the request as if there were none."""
    assert answer(wanted) is None


def test_several_range_lines_are_ignored():
    """Range is one value, not a list of lines."""
    assert answer("bytes=0-1", "Range: bytes=2-3") is None


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_ranges_are_for_get_alone(method):
    """Section 14.2: with every other method Range is ignored."""
    assert answer("bytes=0-1", method=method) is None


def test_only_a_whole_200_with_content_has_ranges():
    """Section 14.2: they are parts of a 200; no range lies in an empty one."""
    assert answer("bytes=0-1", entry=kept(status=404)) is None
    assert answer("bytes=-1", entry=msgspec.structs.replace(kept(), body=b"")) is None


TAGGED = kept('ETag: "1"', f"Last-Modified: {OLD}")
WEAK = kept('ETag: W/"1"')


@pytest.mark.parametrize(
    ("entry", "lines", "partial"),
    [
        (TAGGED, ['If-Range: "1"'], True),
        (TAGGED, ['If-Range: "2"'], False),
        # Strong comparison.
        (TAGGED, ['If-Range: W/"1"'], False),
        (WEAK, ['If-Range: W/"1"'], False),
        (WEAK, ['If-Range: "1"'], False),
        # A date must be the very one, and strong.
        (TAGGED, [f"If-Range: {OLD}"], True),
        (TAGGED, [f"If-Range: {date(-3599)}"], False),
        (TAGGED, [f"If-Range: {date()}"], False),
        (kept(f"Last-Modified: {date()}"), [f"If-Range: {date()}"], False),
        (kept(f"Last-Modified: {OLD}", f"Date: {OLD}"), [f"If-Range: {OLD}"], False),
        (kept(), ['If-Range: "1"'], False),
        (kept(), [f"If-Range: {OLD}"], False),
        # No validator at all, or no list of them.
        (TAGGED, ["If-Range: 1"], False),
        (TAGGED, ["If-Range: "], False),
        (TAGGED, ["If-Range: *"], False),
        (TAGGED, ['If-Range: "1", "2"'], False),
        (TAGGED, ['If-Range: "1"', 'If-Range: "1"'], False),
    ],
)
def test_if_range_gives_parts_of_the_same_version_only(entry, lines, partial):
    """RFC 9110, section 13.1.5: where the validator is not that of the stored response, it is sent whole."""
    assert (answer("bytes=0-1", *lines, entry=entry) is not None) is partial


def test_white_space_around_values_does_not_count():
    """RFC 9110, section 5.5: it is no part of a field's value; servers may leave it there."""
    fields = {b"range": (b" \tbytes=0-1 \t",), b"if-range": (b'\t "1" \t',)}
    made = ranged(TAGGED, "GET", fields)
    assert made is not None
    assert made.body == b"01"


def test_if_range_that_does_not_match_hides_a_range_that_cannot_be_satisfied():
    """Section 14.2: a false If-Range leaves a plain GET, so there is no 416."""
    assert answer("bytes=99-", 'If-Range: "2"', entry=TAGGED) is None


def test_a_part_has_the_fields_of_the_whole_but_those_about_its_length():
    """Section 15.3.7: all else that a 200 would have is sent too; digests of the content would be wrong."""
    entry = kept("Content-Type: text/plain", "CONTENT-LENGTH: 10", 'ETag: "1"', "Link: a", "Link: b",
                 "Content-Digest: x", "Content-MD5: x", "Repr-Digest: x", "Content-Range: x",
                 "Content-Encoding: gzip")  # fmt: skip
    made = answer("bytes=1-3", entry=entry)
    assert made is not None
    assert made.headers == headers(
        "Cache-Control: max-age=7200", "Content-Type: text/plain", 'ETag: "1"', "Link: a", "Link: b",
        "Repr-Digest: x", "Content-Encoding: gzip", "content-range: bytes 1-3/10", "content-length: 3",
    )  # fmt: skip


def parts_of(made: Ranged) -> list[tuple[str | None, str, bytes]]:
    """Take a multipart/byteranges answer apart: type, place and content of each part."""
    head = b"content-type: %b\r\n\r\n" % (field(made, b"content-type") or b"")
    message = message_from_bytes(head + made.body, policy=policy.HTTP)
    assert message.get_content_type() == "multipart/byteranges"
    return [
        (
            part["content-type"],
            str(part["content-range"]),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize(
    ("wanted", "places", "contents"),
    [
        ("bytes=0-1,8-9", ["bytes 0-1/10", "bytes 8-9/10"], [b"01", b"89"]),
        # In the order asked for.
        ("bytes=-2, 0-0", ["bytes 8-9/10", "bytes 0-0/10"], [b"89", b"0"]),
        ("bytes=0-1,20-30,8-", ["bytes 0-1/10", "bytes 8-9/10"], [b"01", b"89"]),
        # Two may overlap.
        ("bytes=0-5,3-8", ["bytes 0-5/10", "bytes 3-8/10"], [b"012345", b"345678"]),
    ],
)
def test_several_ranges_are_sent_as_parts(wanted, places, contents):
    """Section 15.3.7.2: every part has its type and place, the message has no Content-Range."""
    made = answer(wanted, entry=kept("Content-Type: text/plain", "X-A: 1", "Content-Length: 10"))
    assert made is not None
    assert made.status == 206
    assert parts_of(made) == [
        ("text/plain", place, content) for place, content in zip(places, contents, strict=True)
    ]
    assert field(made, b"content-range") is None
    assert field(made, b"content-length") == b"%d" % len(made.body)
    assert field(made, b"x-a") == b"1"


def test_parts_of_what_has_no_type_have_none():
    """Section 15.3.7.2: the parts have the Content-Type that a 200 would have had."""
    made = answer("bytes=0-1,8-9")
    assert made is not None
    assert b"content-type" not in made.body


def test_parts_of_an_encoded_response_are_not_sent_together():
    """A multipart body with Content-Encoding would be decoded as a whole, so the stored response is sent."""
    assert answer("bytes=0-1,8-9", entry=kept("Content-Encoding: gzip")) is None


@pytest.mark.parametrize(
    ("wanted", "partial"),
    [
        ("bytes=0-5,3-8,0-1", False),
        ("bytes=0-,0-,0-", False),
        ("bytes=0-9,1-2,4-5", False),
        ("bytes=0-1,0-1", True),
        ("bytes=" + ",".join(["99-"] * MAX_RANGES), True),
        ("bytes=" + ",".join(["99-"] * (MAX_RANGES + 1)), False),
    ],
)
def test_egregious_sets_of_ranges_are_ignored(wanted, partial):
    """Sections 14.2 and 17.15: more than two that overlap, or very many, get the whole response."""
    assert (answer(wanted) is not None) is partial


def test_the_boundary_is_the_same_again_and_not_in_the_body():
    """The same request gets the same bytes; a body that has the boundary in it gets another one."""
    plain = boundary_for(b"-" * 40)
    assert boundary_for(b"-" * 40) == plain
    assert re.fullmatch(rb"[0-9a-f]{32}", plain)
    assert boundary_for(plain.center(40, b"-")) not in (plain, b"")


def boundary_for(body: bytes) -> bytes:
    """Return the boundary between two parts of a body."""
    made = answer("bytes=0-1,8-9", entry=kept(body=body))
    assert made is not None
    return (field(made, b"content-type") or b"").partition(b"boundary=")[2]


SPECS = st.one_of(
    st.builds("{}-{}".format, st.integers(0, 15), st.integers(0, 15)),
    st.builds("{}-".format, st.integers(0, 15)),
    st.builds("-{}".format, st.integers(0, 15)),
)


@given(st.lists(SPECS, min_size=1, max_size=4), st.binary(min_size=1, max_size=12))
def test_every_part_is_what_it_says(specs, body):
    """Whatever is asked for: a part is the bytes at its place, and every place lies in the body."""
    spans = satisfiable(f"bytes={','.join(specs)}".encode(), len(body))
    for start, stop in spans or []:
        assert 0 <= start < stop <= len(body)
    made = answer(f"bytes={','.join(specs)}", entry=kept(body=body))
    if made is not None and made.status == 206 and (place := field(made, b"content-range")):
        first, last, length = map(int, re.findall(rb"\d+", place))
        assert (made.body, length) == (body[first : last + 1], len(body))


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30))
def test_no_range_raises(value):
    """Clients send what they like."""
    answer(f"bytes={value}", f"If-Range: {value}")
    answer(value)
