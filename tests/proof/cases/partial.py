"""RFC 9110, sections 13.1.5, 14 and 15.3.7, and RFC 9111, sections 3.3 and 3.4: parts of responses."""

from tests.proof.cases.storing import FRESH
from tests.proof.cases.validation import MODIFIED, STALE, TAG
from tests.proof.steps import Step, case, get, head

BODY = b"0123456789"
WHOLE = get().origin(FRESH, TAG, MODIFIED, "Content-Type: a/b", body=BODY)


def part(first: int, last: int, *lines: str, asked: str = "") -> Step:
    """The request for some bytes, which are given from the store."""
    step = get(f"Range: {asked or f'bytes={first}-{last}'}", *lines).stored()
    return step.getting(
        f"Content-Range: bytes {first}-{last}/10", TAG, status=206, content=BODY[first : last + 1]
    )


def asked_part(first: int, last: int, tag: str = TAG) -> Step:
    """The request for some bytes, which the origin gives."""
    about = f"Content-Range: bytes {first}-{last}/10"
    step = get(f"Range: bytes={first}-{last}").origin(
        FRESH, tag, about, status=206, body=BODY[first : last + 1]
    )
    return step.getting(about)


def whole(asked: str, *lines: str) -> Step:
    """The request for a range that is answered with all."""
    return get(f"Range: {asked}", *lines).stored().getting(status=200, without=("Content-Range",))


_WHOLE = (
    "bytes=",
    "bytes=-",
    "bytes=4-2",
    "bytes=a-b",
    "lines=0-1",
    "0-1",
    "bytes 0-1",
    "bytes=0--1",
    "bytes=0-1-2",
)

CASES = (
    case("9110 14.2", "some bytes of a stored response", WHOLE, part(0, 1)),
    case("9110 14.2", "one byte", WHOLE, part(9, 9)),
    case("9110 14.2", "all bytes", WHOLE, part(0, 9)),
    case("9110 14.2", "more bytes than there are", WHOLE, part(4, 9, asked="bytes=4-99")),
    case("9110 14.2", "bytes to the end", WHOLE, part(7, 9, asked="bytes=7-")),
    case("9110 14.2", "the last bytes", WHOLE, part(7, 9, asked="bytes=-3")),
    case("9110 14.2", "the last bytes, more than there are", WHOLE, part(0, 9, asked="bytes=-99")),
    case("9110 14.1", "the unit in any case", WHOLE, part(0, 1, asked="Bytes=0-1")),
    case("9110 15.3.7", "a part has the fields of the whole, and a length of its own", WHOLE,
         get("Range: bytes=2-4").stored().getting(
             "Content-Length: 3", "Content-Range: bytes 2-4/10", "Content-Type: a/b", TAG, FRESH,
             status=206, content=b"234")),
    *(case("9110 14.2", f"what cannot be read is ignored: {asked}", WHOLE, whole(asked)) for asked in _WHOLE),
    case("9110 15.5.17", "bytes that there are not",
         WHOLE, get("Range: bytes=10-").stored().getting("Content-Range: bytes */10", status=416, content=b"")),
    case("9110 15.5.17", "the last no bytes",
         WHOLE, get("Range: bytes=-0").stored().getting("Content-Range: bytes */10", status=416, content=b"")),
    case("9110 14.2", "several ranges of which one is there", WHOLE, part(8, 9, asked="bytes=8-9, 20-30")),
    case("9110 13.1.5", "If-Range with its tag", WHOLE, part(0, 1, 'If-Range: "v1"')),
    case("9110 13.1.5", "If-Range with another tag", WHOLE, whole("bytes=0-1", 'If-Range: "v2"')),
    case("9110 13.1.5", "If-Range with a weak tag", WHOLE, whole("bytes=0-1", 'If-Range: W/"v1"')),
    case("9110 13.1.5", "If-Range with its date", WHOLE, part(0, 1, "If-Range: {now-3600}")),
    case("9110 13.1.5", "If-Range with another date", WHOLE, whole("bytes=0-1", "If-Range: {now-60}")),
    case("9110 13.2.2", "If-None-Match goes before Range",
         WHOLE, get("Range: bytes=0-1", 'If-None-Match: "v1"').stored().getting(status=304)),
    case("9110 14.2", "HEAD has no parts", WHOLE,
         head("Range: bytes=0-1").stored().getting("Content-Length: 10", status=200)),
    case("9110 14.2", "only a success has parts",
         get().origin(FRESH, status=404), get("Range: bytes=0-1").stored().getting(status=404)),
    case("9111 3.3", "what is not stored is asked of the origin, range and all",
         get("Range: bytes=0-1", "If-Range: x").hearing("Range: bytes=0-1", "If-Range: x").origin(
             FRESH, "Content-Range: bytes 0-1/10", status=206, body=b"01"), get().origin(FRESH)),
    case("9111 4.3.1", "a stale response is validated before a part of it is given",
         get().origin(STALE, TAG, body=BODY),
         get("Range: bytes=0-1").confirmed(FRESH, TAG).getting(
             "Content-Range: bytes 0-1/10", status=206, content=b"01"),
         get().stored()),
    case("9111 3.4", "what lies in a part is given from it",
         asked_part(0, 5), get("Range: bytes=1-2").stored().getting(
             "Content-Range: bytes 1-2/10", TAG, status=206, content=b"12")),
    case("9111 3.4", "what lies beyond a part is asked of the origin", asked_part(0, 5), asked_part(4, 7)),
    case("9111 3.4", "parts of one version make a whole",
         asked_part(0, 5), asked_part(6, 9), get().stored().getting(TAG, status=200, content=BODY)),
    case("9111 3.4", "parts of two versions make none",
         asked_part(0, 5), asked_part(6, 9, 'ETag: "v2"'), get().origin(FRESH)),
    case("9111 3.4", "parts without a strong validator make none",
         asked_part(0, 5, 'ETag: W/"v1"'), asked_part(6, 9, 'ETag: W/"v1"'), get().origin(FRESH)),
    case("9111 3.3", "a range that is not satisfiable is not stored as the answer",
         get("Range: bytes=99-").origin(FRESH, "Content-Range: bytes */10", status=416), get().origin(FRESH)),
)  # fmt: skip
