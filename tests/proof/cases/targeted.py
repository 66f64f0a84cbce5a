"""RFC 9213: fields that speak to one kind of cache, where they are turned on. `Own` goes before `CDN`."""

from tests.proof.cases.storing import FRESH, anew, reused
from tests.proof.cases.validation import TAG
from tests.proof.steps import case, get

CDN = "CDN-Cache-Control: "

CASES = (
    case("9213 2.1", "a targeted field makes fresh", *reused(f"{CDN}max-age=3600")),
    case("9213 2.1", "a targeted field goes before Cache-Control",
         *reused(f"{CDN}max-age=3600", "Cache-Control: no-store")),
    case("9213 2.1", "a targeted field goes before private", *reused(f"{CDN}max-age=3600", "Cache-Control: private")),
    case("9213 2.1", "a targeted field goes before Expires", *anew(f"{CDN}max-age=0", "Expires: {now+3600}")),
    case("9213 2.1", "without freshness in it Expires does not count", *anew(f"{CDN}public", "Expires: {now+3600}")),
    case("9213 2.1", "a targeted field forbids what Cache-Control allows", *anew(f"{CDN}no-store", FRESH)),
    case("9213 2.1", "a targeted private", *anew(f"{CDN}private, max-age=3600", FRESH)),
    case("9213 2.1", "a targeted no-cache",
         get().origin(f"{CDN}no-cache, max-age=3600", FRESH, TAG), get().confirmed(f"{CDN}no-cache", TAG)),
    case("9213 2.2", "the first of the list goes before the others",
         *reused("Own-Cache-Control: max-age=3600", f"{CDN}no-store", "Cache-Control: no-store")),
    case("9213 2.1", "a field that breaks the syntax does not count", *reused(f"{CDN}max-age=, no-store", FRESH)),
    case("9213 2.1", "an empty field does not count", *reused(CDN, FRESH)),
    case("9213 2.1", "a lifetime that is no integer is none", *anew(f'{CDN}max-age="3600"', FRESH)),
    case("9213 2.1", "the last of two lines counts", *reused(f"{CDN}max-age=0", f"{CDN}max-age=3600")),
    case("9213 2.1", "names in capitals break the syntax", *reused(f"{CDN}NO-STORE", FRESH)),
    case("9213 2.1", "unknown members are ignored",
         *reused(f"{CDN}x=1;y, max-age=3600, z=(1 2)", "Cache-Control: no-store")),
    case("9213 2.3", "a targeted field reaches the client",
         get().origin(f"{CDN}max-age=3600").getting(f"{CDN}max-age=3600"),
         get().stored().getting(f"{CDN}max-age=3600")),
    case("9213 2.1", "fields for others do not count", *anew("Other-Cache-Control: max-age=3600")),
    case("9213 2.1", "without a targeted field Cache-Control governs", *reused(FRESH)),
)  # fmt: skip
