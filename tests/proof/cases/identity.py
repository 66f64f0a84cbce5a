"""RFC 9111, section 2, and RFC 9110, section 4.2: which requests are for the same resource."""

from tests.proof.cases.storing import FRESH
from tests.proof.steps import case, get

_SAME = {
    "the host in another case": (get("Host: Example.ORG"), get("Host: example.org")),
    "the host with the default port": (get("Host: example.org"), get("Host: example.org:80")),
    "the host with a dot behind it": (get("Host: example.org"), get("Host: example.org.")),
    "fields that nothing varies on": (get("Accept: a/b", "User-Agent: x"), get("Accept: c/d", "User-Agent: y")),
    "the same query": (get(target="?a=1&b"), get(target="?a=1&b")),
}  # fmt: skip

_OTHER = {
    "another host": (get("Host: example.org"), get("Host: example.com")),
    "another port": (get("Host: example.org:81"), get("Host: example.org:82")),
    "another query": (get(target="?a=1"), get(target="?a=2")),
    "no query": (get(target="?a=1"), get()),
    "a query in another order": (get(target="?a=1&b=2"), get(target="?b=2&a=1")),
    "a query in another case": (get(target="?a=x"), get(target="?a=X")),
    "a query that is encoded": (get(target="?a=b"), get(target="?a=%62")),
    "a path behind a slash": (get(), get(target="/")),
    "a path in another case": (get(target="/a"), get(target="/A")),
    "a path with a slash that is encoded": (get(target="/a/b"), get(target="/a%2Fb")),
    "a path with two slashes": (get(target="/a/b"), get(target="/a//b")),
    "a path with dots": (get(target="/b"), get(target="/a/../b")),
    "another host that was forwarded": (get("X-Forwarded-Host: a"), get("X-Forwarded-Host: b")),
    "a host that was forwarded": (get("X-Forwarded-Host: a"), get()),
    "a target that was rewritten": (get("X-Original-URL: /x"), get()),
    "a method that is overridden": (get("X-HTTP-Method-Override: DELETE"), get()),
}

CASES = (
    *(case("9111 2", f"the same: {what}", one.origin(FRESH), other.stored()) for what, (one, other) in _SAME.items()),
    *(
        case("9111 2", f"not the same: {what}", one.origin(FRESH), other.origin(FRESH), one.stored(of=1),
             other.stored(of=2))
        for what, (one, other) in _OTHER.items()
    ),
)  # fmt: skip
