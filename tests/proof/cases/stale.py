"""RFC 5861, and RFC 9111, section 4.2.4: when a stale response is used."""

from tests.proof.cases.storing import FRESH
from tests.proof.cases.validation import TAG
from tests.proof.steps import case, get, head

WHILE = "Cache-Control: max-age=60, stale-while-revalidate=3600"
IF_ERROR = "Cache-Control: max-age=60, stale-if-error=3600"
OLD, TOO_OLD = "Age: 100", "Age: 7200"

CASES = (
    case("5861 3", "a stale response is served while it is refreshed",
         get().origin(WHILE, OLD), get().behind(FRESH), get().stored()),
    case("5861 3", "it is validated behind the client's back",
         get().origin(WHILE, OLD, TAG), get().hearing('If-None-Match: "v1"').behind(FRESH, 'ETag: "v2"'),
         get().stored()),
    case("5861 3", "a fresh response needs no refreshing", get().origin(WHILE), get().stored()),
    case("5861 3", "beyond the window the client waits", get().origin(WHILE, TOO_OLD), get().origin(FRESH)),
    case("5861 3", "a window that cannot be read is none",
         get().origin("Cache-Control: max-age=60, stale-while-revalidate=x", OLD), get().origin(FRESH)),
    case("5861 3", "the client of HEAD does not wait either", get().origin(WHILE, OLD, TAG),
         head().behind(status=500)),
    case("5861 3", "a client that wants something new waits",
         get().origin(WHILE, OLD), get("Cache-Control: no-cache").origin(FRESH)),
    case("5861 3", "a client that wants something young waits",
         get().origin(WHILE, OLD), get("Cache-Control: max-age=10").origin(FRESH)),
    *(case("9111 4.2.4", f"{directive} forbids stale answers meanwhile",
           get().origin(f"{WHILE}, {directive}", OLD), get().origin(FRESH))
      for directive in ("must-revalidate", "proxy-revalidate", "no-cache")),
    case("5861 3", "s-maxage beside a window of its own",
         get().origin("Cache-Control: s-maxage=60, stale-while-revalidate=3600", OLD), get().behind(FRESH)),
    *(case("5861 4", f"a stale response is served instead of a {status}",
           get().origin(IF_ERROR, OLD), get().instead(status=status)) for status in (500, 502, 503, 504)),
    case("5861 4", "a stale response is validated first",
         get().origin(IF_ERROR, OLD, TAG), get().hearing('If-None-Match: "v1"').instead(status=503)),
    case("5861 4", "what works is not overridden", get().origin(IF_ERROR, OLD), get().origin(FRESH), get().stored()),
    *(case("5861 4", f"a {status} is no failure of the origin",
           get().origin(IF_ERROR, OLD), get().origin(status=status)) for status in (400, 404, 410)),
    case("5861 4", "beyond the window the error is given", get().origin(IF_ERROR, TOO_OLD), get().origin(status=500)),
    case("5861 4", "without a window the error is given", get().origin("Cache-Control: max-age=60", OLD),
         get().origin(status=500)),
    *(case("9111 4.2.4", f"{directive} forbids stale answers instead of errors",
           get().origin(f"{IF_ERROR}, {directive}", OLD), get().origin(status=500))
      for directive in ("must-revalidate", "proxy-revalidate", "no-cache")),
    case("9111 4.2.4", "s-maxage forbids stale answers", get().origin("Cache-Control: s-maxage=60", OLD),
         get().origin(status=500)),
    case("9111 4.2.4", "nothing stale without permission", get().origin("Cache-Control: max-age=60", OLD, TAG),
         get().confirmed(TAG)),
    case("5861 4", "an origin that has failed is left alone for a moment, and its error is not stored",
         get().origin(IF_ERROR, OLD), get().instead(FRESH, status=503), get().stored(of=1)),
)  # fmt: skip
