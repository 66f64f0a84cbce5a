"""Parts of stored responses: http.md, point 14; "Range, then GET" of security.md."""

import pytest

from tests.shells import Reply

FRESH = "Cache-Control: max-age=60"
TAG = 'ETag: "v"'
BODY = bytes(range(65, 91))


def whole(asked):
    """Answer with everything, whatever the range."""
    return Reply([FRESH, TAG, "Content-Type: text/plain", "Content-Length: 26"], BODY)


@pytest.mark.parametrize(
    ("asked", "part", "place"),
    [
        ("0-1", b"AB", "0-1"),
        ("24-", b"YZ", "24-25"),
        ("-3", b"XYZ", "23-25"),
        ("20-999", b"UVWXYZ", "20-25"),
        ("0-", BODY, "0-25"),
        ("-99", BODY, "0-25"),
    ],
)
def test_a_part_of_a_stored_response(any_site, asked, part, place):
    """From the store, with its own length and place [http 14]."""
    it = any_site(whole)
    it.get()
    answer = it.get("/a", f"Range: bytes={asked}")
    assert (answer.status, answer.body) == (206, part)
    assert answer.get("content-range") == f"bytes {place}/26"
    assert answer.get("content-length") == str(len(part))
    assert answer.status_field == "cachelayer; hit; ttl=60"
    assert it.calls == 1


def test_several_parts_come_as_one_body(site):
    """With a boundary between them [http 14]."""
    it = site(whole)
    it.get()
    answer = it.get("/a", "Range: bytes=0-1,4-5,-1")
    assert answer.status == 206
    kind, _, boundary = (answer.get("content-type") or "").partition("; boundary=")
    assert kind == "multipart/byteranges"
    assert answer.body.count(f"--{boundary}\r\n".encode()) == 3
    assert answer.body.endswith(f"--{boundary}--\r\n".encode())
    assert answer.get("content-length") == str(len(answer.body))


@pytest.mark.parametrize("asked", ["26-", "99-100", "-0"])
def test_a_range_that_the_body_has_not_is_refused(any_site, asked):
    """416, which says how long the body is [http 14]."""
    it = any_site(whole)
    it.get()
    answer = it.get("/a", f"Range: bytes={asked}")
    assert (answer.status, answer.get("content-range"), answer.body) == (416, "bytes */26", b"")


@pytest.mark.parametrize(
    "asked", ["bytes=b-a", "bytes=5-4", "pages=1-2", "bytes=", "bytes=0-1,0-2,0-3,0-4", "0-1"]
)
def test_a_range_that_is_none_gets_the_whole(site, asked):
    """So does one that is egregious [http 14]."""
    it = site(whole)
    it.get()
    answer = it.get("/a", f"Range: {asked}")
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize(
    ("line", "status"),
    [('If-Range: "v"', 206), ('If-Range: "w"', 200), ('If-Range: W/"v"', 200), ("If-Range: yesterday", 200)],
)
def test_a_part_goes_with_the_version_that_the_client_has(any_site, line, status):
    """Else it gets everything [http 14]."""
    it = any_site(whole)
    it.get()
    assert it.get("/a", "Range: bytes=0-1", line).status == status


def test_a_client_that_has_it_needs_no_part(site):
    """If-None-Match comes first [http 12, 14]."""
    it = site(whole)
    it.get()
    assert it.get("/a", "Range: bytes=0-1", 'If-None-Match: "v"').status == 304


def test_head_has_no_parts(site):
    """A range is for GET [http 11, 14]."""
    it = site(whole)
    it.get()
    answer = it.get("/a", "Range: bytes=0-1", method="HEAD")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "26", b"")


@pytest.mark.parametrize("honest", [True, False], ids=["206", "a part as 200"])
def test_a_part_from_the_application_is_not_stored(any_site, honest):
    """The next client gets everything [http 6, 14, security]."""

    def origin(asked):
        if "range" in asked.headers:
            lines = [FRESH, TAG, "Content-Range: bytes 0-1/26"]
            return Reply(lines, BODY[:2], 206 if honest else 200)
        return whole(asked)

    it = any_site(origin)
    assert it.get("/a", "Range: bytes=0-1").body == BODY[:2]
    answer = it.get()
    assert (answer.status, answer.body) == (200, BODY)


def test_a_compressed_response_is_cut_as_it_is_sent(site):
    """Of the encoded bytes, for one range; several get the whole [http 14, 21]."""
    it = site(lambda asked: Reply([FRESH, "Content-Encoding: gzip", "Vary: Accept-Encoding"], BODY))
    gzip = "Accept-Encoding: gzip"
    it.get("/a", gzip)
    assert it.get("/a", gzip, "Range: bytes=0-1").body == BODY[:2]
    assert it.get("/a", gzip, "Range: bytes=0-1,4-5").body == BODY
