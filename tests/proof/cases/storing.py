"""RFC 9111, sections 3 and 5.2.2: which responses are stored."""

from tests.proof.steps import Case, Step, case, get, head

FRESH = "Cache-Control: max-age=3600"
PUBLIC = "Cache-Control: max-age=3600, public"


def reused(*lines: str, status: int = 200, request: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Two requests, of which the second is answered from the store."""
    return get(*request).origin(*lines, status=status), get(*request).stored()


def anew(*lines: str, status: int = 200, request: tuple[str, ...] = ()) -> tuple[Step, ...]:
    """Two requests, of which the origin answers both, the second without a condition."""
    unconditional = get(*request).hearing(without=("if-none-match", "if-modified-since"))
    return get(*request).origin(*lines, status=status), unconditional.origin(*lines, status=status)


def _statuses(section: str, statuses: tuple[int, ...]) -> list[Case]:
    what = "with freshness of its own is stored, whatever it means"
    return [case(section, f"a {status} {what}", *reused(FRESH, status=status)) for status in statuses]


_STATUSES = (
    200, 201, 203, 204, 299, 300, 301, 302, 303, 307, 308,
    404, 405, 410, 414, 451, 500, 501, 503, 599,
)  # fmt: skip

_REFUSALS = {
    "no-store": "Cache-Control: no-store, max-age=3600",
    "no-store in any case": "Cache-Control: No-STORE, max-age=3600",
    "no-store after a tab": "Cache-Control: max-age=3600,\tno-store",
    "no-store with an argument": "Cache-Control: max-age=3600, no-store=0",
    "no-store in an unclosed string": 'Cache-Control: max-age=3600, x="no-store, no-store',
    "private": "Cache-Control: private, max-age=3600",
    "private in any case": "Cache-Control: PRIVATE, s-maxage=3600",
    "private for some fields": 'Cache-Control: private="Set-Cookie", max-age=3600',
    "private beside public": "Cache-Control: public, private, max-age=3600",
    "nothing that makes it fresh": "X-Nothing: 1",
    "public alone": "Cache-Control: public",
    "an unknown directive alone": "Cache-Control: forever",
    "a cookie": "Set-Cookie: a=1",
    "an event stream": "Content-Type: text/event-stream",
    "must-understand of an unknown status": "Cache-Control: must-understand, max-age=3600",
}

CASES = (
    case("9111 3", "a response with max-age is reused", *reused(FRESH)),
    case("9111 3", "a response with s-maxage is reused", *reused("Cache-Control: s-maxage=3600")),
    case("9111 3", "a response with Expires is reused", *reused("Expires: {now+3600}")),
    case("9111 3", "an empty body is a body", get().origin(FRESH, body=b""), get().stored()),
    case("9111 3", "a long body is reused byte for byte",
         get().origin(FRESH, body=bytes(range(256)) * 4000), get().stored()),
    *(
        case("9111 3", f"it is not stored: {what}",
             *anew(line, *([] if "control" in line.lower() or "nothing" in what else [FRESH])))
        for what, line in _REFUSALS.items() if "must-understand" not in what
    ),
    *_statuses("9111 3", _STATUSES),
    case("9111 3", "a status alone makes nothing fresh here", *anew("X: 1", status=301)),
    case("9111 3.3", "a part is not stored as the whole",
         get().origin(FRESH, "Content-Range: bytes 0-3/8", status=206), get().origin(FRESH)),
    case("9111 3", "a response to POST does not answer GET",
         get(method="POST", body=b"x").origin(FRESH), get().origin(FRESH)),
    case("9111 3", "a response to an unknown method does not answer GET",
         get(method="BREW").origin(FRESH), get().origin(FRESH)),
    case("9111 3", "POST is never answered from the store",
         get().origin(FRESH), get(method="POST", body=b"x").origin(FRESH)),
    case("9111 3", "OPTIONS is never answered from the store", get().origin(FRESH),
         get(method="OPTIONS").origin(FRESH)),
    case("9111 3", "a GET with a body is not answered from the store",
         get().origin(FRESH), get(body=b"x").origin(FRESH), get().stored(of=1)),
    case("9111 3", "a HEAD stores nothing that would answer GET", head().origin(FRESH), get().origin(FRESH)),
    case("9111 5.2.2.5", "no-store in a second line counts", *anew(FRESH, "Cache-Control: no-store")),
    case("9111 5.2.2.7", "private in a second line counts", *anew(FRESH, "Cache-Control: private")),
    case("9111 5.2.2.5", "no-store does not outdate what is stored",
         get().origin(FRESH), get("Cache-Control: no-cache").origin("Cache-Control: no-store"), get().stored(of=1)),
    case("9111 5.2.2.3", "must-understand lifts no-store of a known status",
         *reused("Cache-Control: must-understand, no-store, max-age=3600")),
    case("9111 5.2.2.3", "must-understand keeps an unknown status out",
         *anew("Cache-Control: must-understand, max-age=3600", status=299)),
    case("9111 5.2.2.9", "public is no freshness, and spoils none", *reused(PUBLIC)),
    case("9111 5.2.3", "unknown directives are ignored",
         *reused('Cache-Control: max-age=3600, x-new, x-other=1, x-third="a, no-store"')),
    case("9111 5.2.1.5", "no-store in a request keeps its response out",
         get("Cache-Control: no-store").origin(FRESH), get().origin(FRESH)),
    case("9111 5.4", "Pragma in a response counts where Cache-Control is absent",
         *anew("Pragma: no-cache", "Expires: {now+3600}")),
    case("9111 5.4", "Pragma in a response does not count beside Cache-Control", *reused("Pragma: no-cache", FRESH)),
    case("9111 7.3", "a cookie is not shared even if the response is public", *anew("Set-Cookie: a=1", PUBLIC)),
    case("9111 3.5", "a response to Authorization is not shared",
         get("Authorization: Basic eDp5").origin(FRESH), get().origin(FRESH)),
    case("9111 3.5", "what is stored is not given to Authorization",
         get().origin(FRESH), get("Authorization: Basic eDp5").origin(FRESH)),
    case("9111 3.5", "two with Authorization do not share", *anew(FRESH, request=("Authorization: Bearer x",))),
    *(
        case("9111 3.5", f"Authorization is no obstacle to {directive}",
             get("Authorization: Bearer x").origin(f"Cache-Control: max-age=3600, {directive}"),
             get("Authorization: Bearer y").stored(), get().stored())
        for directive in ("public", "s-maxage=3600", "must-revalidate")
    ),
    case("9111 3.5", "proxy-revalidate does not lift Authorization",
         *anew("Cache-Control: max-age=3600, proxy-revalidate", request=("Authorization: Bearer x",))),
    case("9111 3.5", "public with an argument does not lift Authorization",
         *anew("Cache-Control: max-age=3600, public=1", request=("Authorization: Bearer x",))),
    case("9111 7.3", "a response to a session's cookie is not shared",
         get("Cookie: sessionid=1").origin(FRESH), get().origin(FRESH)),
    case("9111 7.3", "what is stored is not given to a session", get().origin(FRESH),
         get("Cookie: sessionid=1").origin(FRESH)),
    case("9111 7.3", "a public response is given to a session", get().origin(PUBLIC),
         get("Cookie: sessionid=1").stored()),
    case("9111 7.3", "the cookies of analytics do not matter",
         get("Cookie: _ga=1").origin(FRESH), get("Cookie: _ga=2; _gid=3").stored()),
    case("9111 3.1", "repeated fields are stored as they came",
         get().origin(FRESH, "X-A: 1", "X-B: 2", "X-A: 3", "Link: </a>, </b>"),
         get().stored().getting("X-A: 1, 3", "X-B: 2", "Link: </a>, </b>")),
    case("9111 3.1", "fields of one connection are not stored",
         get().origin(FRESH, "Connection: X-Mine", "X-Mine: 1", "Keep-Alive: timeout=9", "Proxy-Authenticate: Basic"),
         get().stored().getting(without=("X-Mine", "Keep-Alive", "Proxy-Authenticate"))),
    case("9110 6.6.1", "a stored response has a Date", get().origin(FRESH), get().stored().getting("Date: *")),
)  # fmt: skip
