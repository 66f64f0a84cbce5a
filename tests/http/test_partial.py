"""Partial responses: RFC 9111, sections 3.3 and 3.4, and RFC 9110, section 15.3.7.3."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import StoredResponse
from cachelayer.http.fields import index
from cachelayer.http.partial import (
    MAX_PIECES,
    PartialResponse,
    combine,
    completed,
    of_206,
    ranged_partial,
)
from tests.http.support import admitted, date, headers

WHOLE = b"0123456789"
OLD = f"Last-Modified: {date(-3600)}"


def entry(status: int, *lines: str, body: bytes) -> StoredResponse:
    """Make a stored response of any status."""
    draft = admitted("Cache-Control: max-age=7200", *lines).draft
    assert draft is not None
    return msgspec.structs.replace(draft, status=status, body=body)


def part(start: int, stop: int, *lines: str, whole: bytes = WHOLE) -> PartialResponse:
    """Make a part of a whole, with an entity tag unless there are other fields."""
    place = f"Content-Range: bytes {start}-{stop - 1}/{len(whole)}"
    made = of_206(entry(206, *(lines or ('ETag: "1"',)), place, body=whole[start:stop]), 1000)
    assert made is not None
    return made


def test_a_206_is_stored_as_a_part_of_a_200():
    """Section 3.4: fields of the part alone, such as Content-Range, are not those of the whole."""
    made = of_206(
        entry(
            206,
            'ETag: "1"',
            "Content-Range: bytes 2-4/10",
            "Content-Length: 3",
            "Content-Digest: x",
            "Content-MD5: x",
            "X-A: 1",
            body=b"234",
        ),
        10,
    )
    assert made is not None
    assert (made.pieces, made.length, made.sound) == (((2, b"234"),), 10, True)
    assert (made.response.status, made.response.body) == (200, b"")
    assert made.response.headers == headers(
        "Cache-Control: max-age=7200", 'ETag: "1"', "X-A: 1", "content-length: 10"
    )
    assert made.keep_until == made.response.keep_until


@pytest.mark.parametrize(
    ("status", "lines", "body"),
    [
        # Without a strong validator no other part can be known to belong to it.
        (206, ["Content-Range: bytes 2-4/10"], b"234"),
        (206, ['ETag: W/"1"', "Content-Range: bytes 2-4/10"], b"234"),
        (206, ['ETag: W/"1"', OLD, "Content-Range: bytes 2-4/10"], b"234"),
        (206, [f"Last-Modified: {date()}", "Content-Range: bytes 2-4/10"], b"234"),
        # Not one range of a whole whose length is known, or not the bytes it says.
        (206, ['ETag: "1"'], b"234"),
        (206, ['ETag: "1"', "Content-Range: bytes 2-4/*"], b"234"),
        (206, ['ETag: "1"', "Content-Range: bytes */10"], b""),
        (206, ['ETag: "1"', "Content-Range: items 2-4/10"], b"234"),
        (206, ['ETag: "1"', "Content-Range: bytes 2-4/4"], b"234"),
        (206, ['ETag: "1"', "Content-Range: bytes 4-2/10"], b""),
        (206, ['ETag: "1"', "Content-Range: bytes 2-4/10"], b"23"),
        (206, ['ETag: "1"', "Content-Range: bytes 2-4/10", "Content-Range: bytes 2-4/10"], b"234"),
        (206, ['ETag: "1"', "Content-Range: bytes 2-4/1001"], b"234"),
        (206, ['ETag: "1"', f"Content-Range: bytes 2-4/{'9' * 5000}"], b"234"),
        (200, ['ETag: "1"', "Content-Range: bytes 2-4/10"], b"234"),
    ],
)
def test_what_cannot_be_combined_is_no_part(status, lines, body):
    """Section 3.4: parts must share a strong validator, and have a place in the whole."""
    assert of_206(entry(status, *lines, body=body), 1000) is None


@pytest.mark.parametrize(
    ("older", "newer", "pieces"),
    [
        (part(0, 3), part(6, 9), ((0, b"012"), (6, b"678"))),
        (part(6, 9), part(0, 3), ((0, b"012"), (6, b"678"))),
        (part(0, 3), part(3, 5), ((0, b"01234"),)),
        (part(0, 5), part(3, 8), ((0, b"01234567"),)),
        (part(2, 8), part(3, 5), ((2, b"234567"),)),
        (part(0, 3, OLD), part(6, 9, OLD), ((0, b"012"), (6, b"678"))),
        # Another version, or perhaps one: the newer part alone.
        (part(0, 3), part(6, 9, 'ETag: "2"'), ((6, b"678"),)),
        (part(0, 3), part(6, 9, OLD), ((6, b"678"),)),
        (part(0, 3, OLD), part(6, 9, f"Last-Modified: {date(-60)}"), ((6, b"678"),)),
        (part(0, 3), part(6, 9, whole=WHOLE + b"x"), ((6, b"678"),)),
    ],
)
def test_parts_of_one_version_are_put_together(older, newer, pieces):
    """Section 3.4: those with the same strong validator."""
    made = combine(older, newer)
    assert made.pieces == pieces
    assert made.sound


def test_the_fields_of_the_newer_part_count():
    """Section 3.4: the combined response has the stored fields, updated by those of the newer response."""
    older = part(0, 3, 'ETag: "1"', "A: 1", "B: 1")
    newer = part(3, 5, 'ETag: "1"', "B: 2")
    newer = msgspec.structs.replace(
        newer, response=msgspec.structs.replace(newer.response, fresh_until=older.response.fresh_until + 9)
    )
    made = combine(older, newer).response
    assert made.headers == headers(
        "Cache-Control: max-age=7200", 'ETag: "1"', "A: 1", "B: 2", "content-length: 10"
    )
    assert made.fresh_until == newer.response.fresh_until


def test_the_number_of_pieces_is_bounded():
    """Scattered bytes are not kept without end."""
    whole = b"x" * 100
    made = part(0, 1, whole=whole)
    for offset in range(2, 2 * MAX_PIECES, 2):
        made = combine(made, part(offset, offset + 1, whole=whole))
    assert len(made.pieces) == MAX_PIECES
    assert combine(made, part(98, 99, whole=whole)).pieces == ((98, b"x"),)


def test_a_response_is_complete_when_nothing_is_missing():
    """RFC 9110, section 15.3.7.3: then it is a 200 with the length of the whole, else it is not used as one."""
    half = part(0, 5)
    assert completed(half) is None
    assert completed(part(5, 10)) is None
    whole = completed(combine(half, part(5, 10)))
    assert whole is not None
    assert (whole.status, whole.body) == (200, WHOLE)
    assert index(whole.headers)[b"content-length"] == (b"10",)


@pytest.mark.parametrize(
    ("lines", "method", "body"),
    [
        (["Range: bytes=3-4"], "GET", b"34"),
        (["Range: bytes=2-5"], "GET", b"2345"),
        (["Range: bytes=-2"], "GET", b"89"),
        (["Range: bytes=8-"], "GET", b"89"),
        (["Range: bytes=3-4", 'If-Range: "1"'], "GET", b"34"),
        # Section 3.3: a range that is not wholly within what is there needs the origin.
        (["Range: bytes=1-4"], "GET", None),
        (["Range: bytes=5-6"], "GET", None),
        (["Range: bytes=-3"], "GET", None),
        (["Range: bytes=0-"], "GET", None),
        (["Range: bytes=2-3,8-9"], "GET", None),
        (["Range: bytes=10-"], "GET", None),
        (["Range: bytes=3-4", 'If-Range: "2"'], "GET", None),
        (["Range: bytes=3-4"], "HEAD", None),
        ([], "GET", None),
    ],
)
def test_a_range_within_what_is_there_is_answered(lines, method, body):
    """Section 3.3: an incomplete response answers nothing but ranges that lie in it, with 206."""
    made = ranged_partial(combine(part(2, 6), part(8, 10)), method, index(headers(*lines)))
    assert (None if made is None else made.body) == body
    if made is not None:
        assert made.status == 206
        assert index(made.headers)[b"content-length"] == (b"%d" % len(made.body),)
        assert index(made.headers)[b"content-range"][0].endswith(b"/10")


@pytest.mark.parametrize(
    "pieces",
    [(), ((0, b""),), ((-1, b"a"),), ((9, b"ab"),), ((0, b"ab"), (2, b"c")), ((0, b"ab"), (1, b"c")),
     ((5, b"a"), (0, b"b"))],
)  # fmt: skip
def test_pieces_from_a_store_are_not_trusted(pieces):
    """Empty, overlapping, touching, disordered ones and those beyond the end are not what was stored."""
    assert not msgspec.structs.replace(part(0, 3), pieces=pieces).sound


def test_it_can_be_stored():
    """It is one of the kinds of entries that can be told apart in the store."""
    made = combine(part(0, 3), part(6, 9))
    kinds = PartialResponse | StoredResponse
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=kinds) == made


SPANS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 10)).filter(lambda span: span[0] < span[1]),
    min_size=1,
    max_size=6,
)


@given(SPANS)
def test_parts_in_any_order_are_the_bytes_of_the_whole(spans):
    """What was received is there, in its place, and nothing else."""
    made = part(*spans[0])
    for span in spans[1:]:
        made = combine(made, part(*span))
    received = {position for span in spans for position in range(*span)}
    there = {offset + at: piece[at : at + 1] for offset, piece in made.pieces for at in range(len(piece))}
    assert there == {position: WHOLE[position : position + 1] for position in received}
    assert made.sound
    assert (completed(made) is not None) == (len(received) == len(WHOLE))
