"""Short ways to make the engine's values in tests. `NOW` is when every response arrives."""

from cachelayer.http import (
    Admission,
    Headers,
    Plan,
    Policy,
    Reason,
    Request,
    ResponseHead,
    Reuse,
    StoredResponse,
    admit,
    complete,
    evaluate,
    plan_lookup,
)
from cachelayer.http.dates import format_date

NOW = 1_700_000_000.0
HOST = "Host: example.org"


def headers(*lines: str) -> Headers:
    """Make field lines of text such as "Cache-Control: max-age=60"."""
    pairs = (line.partition(":") for line in lines)
    return tuple(
        (name.encode("latin-1"), value.removeprefix(" ").encode("latin-1")) for name, _, value in pairs
    )


def request(
    *lines: str, method: str = "GET", path: str = "/a", query: str = "", scheme: str = "http"
) -> Request:
    """Make a request to example.org."""
    has_host = any(line.lower().startswith("host:") for line in lines)
    fields = headers(*lines) if has_host else headers(HOST, *lines)
    return Request(method, scheme, path.encode("latin-1"), query.encode("latin-1"), fields)


def planned(*lines: str, policy: Policy | None = None, **parts: str) -> Plan:
    """Plan a request."""
    return plan_lookup(request(*lines, **parts), policy or Policy())


def admitted(
    *lines: str,
    plan: Plan | None = None,
    status: int = 200,
    policy: Policy | None = None,
    took: float = 0.0,
    **more: str,
) -> Admission:
    """Decide on a response that arrives at `NOW`, `took` seconds after its request was sent on."""
    plan = plan or planned(policy=policy)
    head = ResponseHead(status, headers(*lines))
    return admit(plan, head, request_time=NOW - took, response_time=NOW, **more)


def stored(*lines: str, body: bytes = b"body", **how: object) -> StoredResponse:
    """Store a response; fails where it may not be stored."""
    made = complete(admitted(*lines, **how), body)  # type: ignore[arg-type]
    assert isinstance(made, StoredResponse), made
    return made


def reuse(entry: StoredResponse | None, *lines: str, after: float = 1.0, **how: object) -> Reuse:
    """Decide on the reuse for a request with these fields, some seconds after the response arrived."""
    return evaluate(entry, planned(*lines, **how), NOW + after)  # type: ignore[arg-type]


def date(offset: float = 0.0) -> str:
    """Return an HTTP-date some seconds from `NOW`."""
    return format_date(NOW + offset).decode()


FRESH = Reason.FRESH
