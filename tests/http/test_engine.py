"""The functions together, driven as a shell drives them: whole exchanges, and the attacks of the security table."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.http import (
    Answer,
    Policy,
    Request,
    ResponseHead,
    Rule,
    StoredResponse,
    VariantIndex,
    admit,
    answer,
    complete,
    decode_entry,
    encode_entry,
    evaluate,
    forwarded_headers,
    plan_lookup,
    variant_of,
    writes,
)
from tests.http.support import NOW, headers, request

PUBLIC = "Cache-Control: public, max-age=60"
FRESH = "Cache-Control: max-age=60"
App = Callable[[Request], tuple[int, list[str], bytes]]


class Shell:
    """The shortest shell: an application, a store of bytes, and a clock that stands still."""

    def __init__(self, app: App, policy: Policy | None = None) -> None:
        self.app = app
        self.policy = policy or Policy(cache_status=None)
        self.store: dict[str, bytes] = {}
        self.calls = 0

    def entry(self, key: str | None):
        """Return what the store has under a key."""
        data = self.store.get(key or "")
        return None if data is None else decode_entry(data)

    def send(self, request: Request) -> Answer:
        """Answer a request from the store or the application."""
        plan = plan_lookup(request, self.policy)
        current = self.entry(plan.key)
        found = current
        if isinstance(found, VariantIndex):
            found = self.entry(variant_of(found, plan)) or found
        reuse = evaluate(found, plan, NOW)
        if reuse.answers:
            return answer(found, plan, reuse, NOW)
        self.calls += 1
        status, lines, body = self.app(request)
        admission = admit(plan, ResponseHead(status, headers(*lines)), request_time=NOW, response_time=NOW)
        made = complete(admission, body)
        if isinstance(made, StoredResponse):
            todo = writes(plan, made, current, 10)
            self.store.update({key: encode_entry(entry) for key, entry in todo.entries})
        return Answer(
            status, forwarded_headers(plan, reuse, admission), (), body if request.method == "GET" else b""
        )

    def get(self, *lines: str, **parts: str) -> bytes:
        """Return the body of the answer."""
        return self.send(request(*lines, **parts)).body


def echo(*lines: str) -> App:
    """Make an application whose answer shows the whole request, and which says these fields."""
    return lambda request: (200, list(lines), repr(request).encode())


def test_a_second_request_is_answered_from_the_store():
    """Byte for byte, Age apart."""
    shell = Shell(echo(PUBLIC, "X: 1", "X: 2"))
    miss, hit = shell.send(request()), shell.send(request())
    assert shell.calls == 1
    assert (hit.status, hit.body) == (miss.status, miss.body)
    assert hit.headers == (*miss.headers, (b"age", b"0"))


@pytest.mark.parametrize(
    "lines",
    [["Cache-Control: private"], ["Cache-Control: No-Store"], ["Cache-Control: NO-CACHE"],
     ['Cache-Control: private="Set-Cookie"'], [FRESH, "Cache-Control:   ,private ,"], [PUBLIC, "Vary: , *"], [],
     [PUBLIC, "Set-Cookie: a=1"]],
)  # fmt: skip
@pytest.mark.parametrize("policy", [Policy(default_ttl=60), Policy(rules=(Rule(ttl=60, override=True),))])
def test_what_may_not_be_stored_calls_the_application_each_time(lines, policy):
    """Two requests, two calls."""
    shell = Shell(echo(*lines or ["Cache-Control: no-store"]), policy)
    shell.get()
    shell.get()
    assert shell.calls == 2


ALICE_BOB_NOBODY = [
    ["Authorization: Bearer alice"], ["Authorization: Bearer bob"], ["Authorization: Basic YQ=="],
    ["Cookie: sessionid=alice"], ["Cookie: sessionid=bob"], [],
]  # fmt: skip


@pytest.mark.parametrize(
    "policy", [Policy(), Policy(default_ttl=60), Policy(rules=(Rule(ttl=60, cookies=("lang",)),))]
)
@pytest.mark.parametrize("lines", [[FRESH], []])
@given(order=st.permutations(ALICE_BOB_NOBODY * 2))
def test_everyone_gets_their_own(policy, lines, order):
    """Credentials and sessions, in any order, and no Vary."""
    shell = Shell(echo(*lines), policy)
    for fields in order:
        assert shell.get(*fields) == repr(request(*fields)).encode()


@pytest.mark.parametrize(
    "poisoned",
    [{"lines": ["X-Forwarded-Host: evil"]}, {"lines": ["X-Original-URL: /evil"]}, {"lines": ["Forwarded: host=evil"]},
     {"lines": ["X-Rewrite-URL: /evil"]}, {"lines": ["Host: evil"]}, {"lines": ["Range: bytes=0-1"]},
     {"lines": ["X-HTTP-Method-Override: DELETE"]}, {"lines": ["Content-Length: 5"]}, {"method": "HEAD"},
     {"method": "POST"}, {"path": "/a%2f"}, {"path": "/a", "query": "b"}],
)  # fmt: skip
def test_an_odd_request_does_not_poison_the_next(poisoned):
    """The clean GET that comes after gets its own whole answer."""
    shell = Shell(echo(PUBLIC))
    parts = dict(poisoned)
    shell.get(*parts.pop("lines", ()), **parts)
    assert shell.get() == repr(request()).encode()
    assert shell.calls == 2


def test_an_encoded_body_is_not_given_to_who_does_not_accept_it():
    """First a client with gzip, then one without, and no Vary."""

    def app(request: Request) -> tuple[int, list[str], bytes]:
        gzip = (b"accept-encoding", b"gzip") in [(name.lower(), value) for name, value in request.headers]
        return 200, [PUBLIC, *(["Content-Encoding: gzip"] if gzip else [])], b"gzip" if gzip else b"identity"

    shell = Shell(app)
    assert shell.get("Accept-Encoding: gzip") == b"gzip"
    assert shell.get("Accept-Encoding: identity") == b"identity"
    assert shell.get("Accept-Encoding: gzip") == b"identity"


TEXTS = st.sampled_from(["", "a", "b", "ab", "a,b", "gzip", "br, gzip"])
SENT = st.lists(st.tuples(st.sampled_from(["X-A", "X-B", "x-a"]), TEXTS), max_size=3)
TARGETS = st.tuples(st.sampled_from(["/", "/a", "/a%2Fb", "/a/b"]), st.sampled_from(["", "a", "a=b", "/b"]))


@given(st.lists(st.tuples(SENT, TARGETS), max_size=12), st.sampled_from(["X-A", "x-b, X-A", "X-C"]))
def test_no_request_reads_what_another_resource_or_variant_answered(requests, vary):
    """Every hit is what the application would answer by the URL and the fields it says it looks at."""
    looked_at = {name.strip().lower().encode() for name in vary.split(",")}

    def app(request: Request) -> tuple[int, list[str], bytes]:
        seen = [(name, value) for name, value in request.headers if name.lower() in looked_at]
        by_name = sorted((name.lower(), value) for name, value in seen)
        return 200, [PUBLIC, f"Vary: {vary}"], repr((request.path, request.query, by_name)).encode()

    shell = Shell(app)
    for sent, (path, query) in requests:
        asked = request(*(f"{name}: {value}" for name, value in sent), path=path, query=query)
        assert shell.send(asked).body == app(asked)[2]
