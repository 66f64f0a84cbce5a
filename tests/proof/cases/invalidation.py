"""RFC 9111, section 4.4: requests that outdate what is stored."""

from tests.proof.cases.storing import FRESH
from tests.proof.cases.validation import TAG
from tests.proof.steps import Step, case, get, head

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "BREW", "post", "MKCOL")
_SAFE = ("OPTIONS", "TRACE", "PROPFIND", "REPORT")
_SUCCESSES = (200, 201, 202, 204, 299, 301, 302, 303, 307)
_ERRORS = (400, 401, 404, 409, 412, 500, 503)
#: What points to the resource that is stored.
_POINTERS = {
    "an absolute path": "{path}/other",
    "a whole URL": "http://example.org{path}/other",
    "a whole URL with a port and capitals": "HTTP://EXAMPLE.org:80{path}/other",
    "a relative path": "other",
    "a path with dots": "{path}/x/.././other",
    "a URL without a scheme": "//example.org{path}/other",
    "a URL with a fragment": "{path}/other#part",
}
_ELSEWHERE = {
    "another host": "http://example.com{path}/other",
    "another port": "http://example.org:81{path}/other",
    "another scheme": "https://example.org{path}/other",
    "another query": "{path}/other?x",
}


def _told(field: str, value: str, *, outdated: bool) -> tuple[Step, ...]:
    other = get(target="/other")
    after = other.origin(FRESH) if outdated else other.stored(of=1)
    pointing = get(target="/form", method="POST", body=b"x").origin(f"{field}: {value}", status=201)
    return other.origin(FRESH), pointing, after


CASES = (
    *(case("9111 4.4", f"{method} outdates its target", get().origin(FRESH), get(method=method, body=b"x").origin(),
           get().origin(FRESH))
      for method in _UNSAFE),
    *(case("9111 4.4", f"{method} outdates nothing", get().origin(FRESH), get(method=method).origin(),
           get().stored(of=1))
      for method in _SAFE),
    *(case("9111 4.4", f"a {status} outdates", get().origin(FRESH),
           get(method="POST", body=b"x").origin(status=status), get().origin(FRESH))
      for status in _SUCCESSES),
    *(case("9111 4.4", f"a {status} outdates nothing",
           get().origin(FRESH), get(method="POST", body=b"x").origin(status=status), get().stored(of=1))
           for status in _ERRORS),
    *(case("9111 4.4", f"{field} outdates: {what}", *_told(field, value, outdated=True))
      for field in ("Location", "Content-Location") for what, value in _POINTERS.items()),
    *(case("9111 4.4", f"{field} outdates nothing: {what}", *_told(field, value, outdated=False))
      for field in ("Location", "Content-Location") for what, value in _ELSEWHERE.items()),
    case("9111 4.4", "an error with Location outdates nothing",
         get(target="/other").origin(FRESH),
         get(method="POST", body=b"x").origin("Location: {path}/other", status=400),
         get(target="/other").stored(of=1)),
    case("9111 4.4", "Location of a GET outdates nothing",
         get(target="/other").origin(FRESH), get().origin("Location: {path}/other", status=302),
         get(target="/other").stored(of=1)),
    case("9111 4.4", "all variants are outdated",
         get("X-A: 1").origin(FRESH, "Vary: X-A"), get("X-A: 2").origin(FRESH, "Vary: X-A"),
         get(method="DELETE").origin(status=204, body=b""), get("X-A: 1").origin(FRESH, "Vary: X-A"),
         get("X-A: 2").origin(FRESH, "Vary: X-A")),
    case("9111 4.4", "other queries are other resources",
         get(target="?a").origin(FRESH), get(method="POST", body=b"x").origin(), get(target="?a").stored(of=1)),
    case("9111 4.4", "the query of the request counts",
         get(target="?a").origin(FRESH), get(target="?a", method="POST", body=b"x").origin(),
         get(target="?a").origin(FRESH)),
    case("9111 4.4", "other hosts are other resources",
         get("Host: a.test").origin(FRESH), get("Host: b.test", method="POST", body=b"x").origin(),
         get("Host: a.test").stored(of=1)),
    case("9111 4.4", "what was stored with forwarding fields is outdated too",
         get("X-Forwarded-Host: a").origin(FRESH), get(method="POST", body=b"x").origin(),
         get("X-Forwarded-Host: a").origin(FRESH)),
    case("9111 4.4", "HEAD and GET outdate nothing", get().origin(FRESH, TAG), head().stored(), get().stored()),
    case("9111 4.4", "what comes afterwards is stored again",
         get().origin(FRESH), get(method="PUT", body=b"x").origin(), get().origin(FRESH), get().stored()),
)  # fmt: skip
