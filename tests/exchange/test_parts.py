"""Parts of a response whose whole is not stored (RFC 9111, section 3.4); on every store."""

import pytest

from tests.shells import Reply

WHOLE = b"0123456789"
FRESH = ("Cache-Control: max-age=60", 'ETag: "1"')


def origin(asked):
    """Answer ranges of ten bytes."""
    if "range" not in asked.headers:
        return Reply([*FRESH], WHOLE)
    first, last = (int(bound) for bound in asked.headers["range"].removeprefix("bytes=").split("-"))
    return Reply([*FRESH, f"Content-Range: bytes {first}-{last}/10"], WHOLE[first : last + 1], 206)


def part(it, first, last):
    """Ask for a range."""
    return it.get("/a", f"Range: bytes={first}-{last}")


def test_a_part_answers_for_what_lies_in_it(site):
    """And for nothing else (http 14)."""
    it = site(origin)
    part(it, 2, 6)
    again = part(it, 3, 4)
    assert (again.status, again.body, again.get("Content-Range")) == (206, b"34", "bytes 3-4/10")
    assert again.status_field == "cachelayer; hit; ttl=60"
    part(it, 6, 7)
    assert it.calls == 2


def test_parts_are_combined(site):
    """A range across two of them is there (http 14; RFC 9111, section 3.4)."""
    it = site(origin)
    part(it, 0, 3)
    part(it, 4, 7)
    assert part(it, 2, 5).body == b"2345"
    assert it.calls == 2


def test_parts_that_make_up_the_whole_are_the_whole(site):
    """It answers a plain GET (http 14)."""
    it = site(origin)
    part(it, 0, 4)
    part(it, 5, 9)
    whole = it.get("/a")
    assert (whole.status, whole.body, whole.get("Content-Length"), it.calls) == (200, WHOLE, "10", 2)


def test_a_part_is_no_answer_to_a_plain_get(site):
    """What is incomplete is not used for it (http 14)."""
    it = site(origin)
    part(it, 0, 4)
    assert (it.get("/a").status, it.get("/a").body, it.calls) == (200, WHOLE, 2)
    assert part(it, 8, 9).body == b"89"
    assert it.calls == 2


def test_parts_of_two_versions_are_not_mixed(site):
    """Another validator is another response (http 14; RFC 9111, section 3.4)."""
    version = 1

    def changing(asked):
        reply = origin(asked)
        body = bytes(reply.body).replace(b"0", b"x") if version == 2 else reply.body
        return Reply(
            ["Cache-Control: max-age=60", f'ETag: "{version}"', *list(reply.lines)[2:]], body, reply.status
        )

    it = site(changing)
    part(it, 0, 4)
    version = 2
    part(it, 5, 9)
    assert part(it, 0, 1).body == b"x1"


@pytest.mark.parametrize(
    "lines", [["Cache-Control: max-age=60"], ["Cache-Control: max-age=60", 'ETag: W/"1"'], ['ETag: "1"']]
)
def test_a_part_needs_freshness_and_a_strong_validator(lines, site):
    """Without them nobody could tell what it is a part of (http 14)."""
    it = site(lambda asked: Reply([*lines, "Content-Range: bytes 0-1/10"], b"01", 206))
    part(it, 0, 1)
    part(it, 0, 1)
    assert it.calls == 2


def test_a_stale_part_is_not_used(site):
    """It is asked for again (http 14)."""
    it = site(origin)
    part(it, 0, 4)
    it.clock.advance(60)
    part(it, 0, 4)
    assert it.calls == 2


def test_a_private_part_is_not_kept(site):
    """Parts are guarded as wholes are (http 7, 14)."""
    it = site(
        lambda asked: Reply(
            [*FRESH, "Content-Range: bytes 0-1/10"], asked.headers["authorization"].encode()[:2], 206
        )
    )
    bodies = [it.get("/a", "Range: bytes=0-1", f"Authorization: {name}").body for name in ("al", "bo")]
    assert bodies == [b"al", b"bo"]


def test_a_purge_removes_parts(site):
    """They are what is stored for the URL (http 25)."""
    it = site(origin)
    part(it, 0, 4)
    it.cache.purge("http://example.org/a")
    part(it, 0, 4)
    assert it.calls == 2
