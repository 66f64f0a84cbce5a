"""RFC 9211: the Cache-Status field."""

from tests.proof.cases.storing import FRESH
from tests.proof.cases.validation import STALE, TAG
from tests.proof.steps import case, get

S = "Cache-Status: "

CASES = (
    case("9211 2", "a miss that is stored", get().origin(FRESH).getting(f"{S}cachelayer; fwd=uri-miss; stored")),
    case("9211 2", "a miss that is not stored",
         get().origin("Cache-Control: no-store").getting(f"{S}cachelayer; fwd=uri-miss; detail=NO-STORE")),
    case("9211 2.2", "another variant",
         get("X-A: 1").origin(FRESH, "Vary: X-A"),
         get("X-A: 2").origin(FRESH, "Vary: X-A").getting(f"{S}cachelayer; fwd=vary-miss; stored")),
    case("9211 2.2", "a request that wants something new",
         get().origin(FRESH),
         get("Cache-Control: no-cache").origin(FRESH).getting(f"{S}cachelayer; fwd=request; stored")),
    case("9211 2.3", "a stale response that was confirmed",
         get().origin(STALE, TAG),
         get().confirmed(FRESH, TAG).getting(f"{S}cachelayer; fwd=stale; fwd-status=304; stored")),
    case("9211 2", "what caches before us said comes first",
         get().origin(FRESH, 'Cache-Status: "inner"; fwd=uri-miss').getting(
             f'{S}"inner"; fwd=uri-miss, cachelayer; fwd=uri-miss; stored')),
    case("9211 2", "a hit keeps what caches before us said",
         get().origin(FRESH, "Cache-Status: inner; hit"), get().stored().getting(f"{S}*")),
)  # fmt: skip
