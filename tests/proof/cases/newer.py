"""What came after RFC 9111: cache groups (RFC 9875), fields for one kind of cache (RFC 9213) and No-Vary-Search."""

from tests.proof.cases.storing import FRESH, anew
from tests.proof.steps import case, get

_UNSAFE = get(target="/form", method="POST", body=b"x")

CASES = (
    case("9875 2", "a group is outdated together",
         get(target="/1").origin(FRESH, 'Cache-Groups: "g"'),
         get(target="/2").origin(FRESH, 'Cache-Groups: "f", "g"'),
         get(target="/3").origin(FRESH, 'Cache-Groups: "h"'),
         _UNSAFE.origin('Cache-Group-Invalidation: "g"'),
         get(target="/1").origin(FRESH), get(target="/2").origin(FRESH), get(target="/3").stored(of=3)),
    case("9875 2.2", "groups are told apart by case",
         get(target="/1").origin(FRESH, 'Cache-Groups: "g"'), _UNSAFE.origin('Cache-Group-Invalidation: "G"'),
         get(target="/1").stored(of=1)),
    case("9875 3", "a safe request outdates no group",
         get(target="/1").origin(FRESH, 'Cache-Groups: "g"'),
         get(target="/2").origin('Cache-Group-Invalidation: "g"'),
         get(target="/1").stored(of=1)),
    case("9875 2.2", "another host's groups are others",
         get("Host: a.test", target="/1").origin(FRESH, 'Cache-Groups: "g"'),
         get("Host: b.test", target="/form", method="POST", body=b"x").origin('Cache-Group-Invalidation: "g"'),
         get("Host: a.test", target="/1").stored(of=1)),
    case("9213 2.1", "a field for other caches does not count", *anew("CDN-Cache-Control: max-age=3600")),
    case("9213 2.1", "nor does it go before Cache-Control",
         *anew("CDN-Cache-Control: max-age=3600", "Cache-Control: private")),
    # What a path's query means is known from its first response on.
    case("NVS", "parameters in any order",
         get(target="?b=0&a=0").origin(FRESH, "No-Vary-Search: key-order"),
         get(target="?a=1&b=2").origin(FRESH, "No-Vary-Search: key-order"), get(target="?b=2&a=1").stored(),
         get(target="?b=2&a=3").origin(FRESH)),
    case("NVS", "parameters that do not matter",
         get(target="?x=0").origin(FRESH, 'No-Vary-Search: params=("x")'),
         get(target="?a=1&x=1").origin(FRESH, 'No-Vary-Search: params=("x")'), get(target="?a=1&x=2").stored(),
         get(target="?a=2&x=1").origin(FRESH)),
    case("NVS", "only some parameters matter",
         get(target="?a=0").origin(FRESH, 'No-Vary-Search: params, except=("a")'),
         get(target="?a=1&x=1").origin(FRESH, 'No-Vary-Search: params, except=("a")'),
         get(target="?a=1&y=2").stored(),
         get(target="?a=2").origin(FRESH)),
)  # fmt: skip
