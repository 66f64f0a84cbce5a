"""Keys: RFC 9111, section 2, and points 7 and 10 of the HTTP behaviour."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cachelayer.http import Policy, Reason, Request, Rule, plan_lookup
from tests.http.support import planned


def key(*lines: str, rule: Rule | None = None, trusted: bool = False, **parts: str) -> str:
    """Return the key of a request."""
    policy = Policy(rules=() if rule is None else (rule,), trusted_forwarding=trusted)
    made = planned(*lines, policy=policy, **parts).key
    assert made is not None
    return made


def test_a_key_can_be_read():
    """Method, scheme, host, path and query stand as they are."""
    assert (
        key(path="/users/7", query="page=2&x=%20", scheme="https")
        == "GET https://example.org/users/7?page=2&x=%20"
    )


def test_head_asks_for_what_get_asks_for():
    """Both have the key of the GET."""
    assert key(method="HEAD") == key()


@pytest.mark.parametrize(
    ("scheme", "host"),
    [("http", "Example.ORG"), ("http", "example.org."), ("http", "example.org:80"), ("http", "example.org.:80"),
     ("http", "example.org:"), ("http", " example.org ")],
)  # fmt: skip
def test_spellings_of_a_host_share(scheme, host):
    """Case, the default port and a trailing dot mean nothing."""
    assert key(f"Host: {host}", scheme=scheme) == key(scheme=scheme)


@pytest.mark.parametrize(
    ("scheme", "host"),
    [("http", "evil.org"), ("http", "example.org:443"), ("https", "example.org"), ("https", "example.org:80"),
     ("http", "www.example.org"), ("http", "[::1]"), ("http", "")],
)  # fmt: skip
def test_other_hosts_and_schemes_do_not_share(scheme, host):
    """An authority that is another has entries of its own."""
    assert key(f"Host: {host}", scheme=scheme) != key()


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: a/b"],
        ["Host: a?b"],
        ["Host: a#b"],
        ["Host: a b"],
        ["Host: a@b"],
        ["Host: a\0"],
        ["Host: é"],
        ["Host: a", "Host: b"],
        ["Host: a:b"],
        ["Host: [x"],
    ],
)
def test_a_host_that_is_none_bypasses(lines):
    """It could pretend to be part of the path."""
    assert planned(*lines).reason is Reason.MALFORMED_REQUEST


def test_a_path_that_is_none_bypasses():
    """What does not start with a slash is no path of this site."""
    assert planned(path="*").reason is Reason.MALFORMED_REQUEST
    assert planned(path="").reason is Reason.MALFORMED_REQUEST


def test_without_a_host_field_the_servers_own_name_counts():
    """HTTP/1.0 has no Host."""
    request = Request("GET", "http", b"/a", b"", (), b"Server:80")
    assert plan_lookup(request, Policy()).key == "GET http://server/a"


DIFFERENT = [
    ("/a", "b=1"), ("/ab=1", ""), ("/a%2Fb", ""), ("/a/b", ""), ("/a%2fb", ""), ("/a?b=1", ""), ("/a?", "b=1"),
    ("/a", "?b=1"), ("/a#b", ""), ("/a", "#b"), ("/a b", ""), ("/a\n", ""), ("/a\0", ""), ("/a", ""), ("/A", ""),
    ("/é", ""), ("/%C3%A9", ""), ("/" + "x" * 300, ""), ("/" + "x" * 299 + "y", ""), ("/a", "b=1&c=2"),
    ("/a", "c=2&b=1"), ("//a", ""), ("/./a", ""), ("/a", "b"),
]  # fmt: skip


def test_targets_that_differ_in_a_byte_do_not_share():
    """The raw path and query are kept as sent: nothing is decoded, ordered or folded."""
    assert len({key(path=path, query=query) for path, query in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize("path", ["/" + "x" * 5000, "/a\r\nb", "/é\0 c"])
def test_a_key_is_short_and_plain(path):
    """What is long or odd is a digest behind a readable start."""
    made = key(path=path)
    assert len(made) < 300
    assert made.isascii()
    assert made.isprintable()
    assert made.startswith("GET http://example.org/")


TEXT = st.text(st.characters(max_codepoint=255), max_size=12)
PIECES = st.text("/?#&=%2F;a \n", max_size=8)


@given(TEXT | PIECES, TEXT | PIECES, TEXT | PIECES, TEXT | PIECES)
@example("a?b", "", "a", "b")
def test_no_two_targets_share_a_key(path, query, other_path, other_query):
    """No choice of bytes makes one resource look like another."""
    assume((path, query) != (other_path, other_query))
    assert key(path="/" + path, query=query) != key(path="/" + other_path, query=other_query)


@given(
    st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=5).map(tuple),
    st.binary(max_size=20),
)
def test_no_request_makes_the_plan_raise(lines, path):
    """Whatever a client sends, the plan is a value."""
    policy = Policy(rules=(Rule(path="/a/{b}", ttl=1, vary=("X",), cookies=("c",), ignore_query=("u*",)),))
    plan_lookup(Request("GET", "http", path, path, (*lines, (b"cookie", path), (b"host", b"a"))), policy)


FORWARDING = ["X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded", "x-forwarded-HOST"]


@pytest.mark.parametrize("name", FORWARDING)
def test_forwarding_fields_are_part_of_the_key(name):
    """An application may answer by them, so their values do not share; nor do present and absent."""
    keys = {
        key(),
        key(f"{name}: "),
        key(f"{name}: evil"),
        key(f"{name}: evil", f"{name}: evil"),
        key(f"{name}: evil, evil"),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("name", FORWARDING)
def test_trusted_forwarding_leaves_them_out(name):
    """A proxy that overwrites them makes them as good as the URL."""
    assert key(f"{name}: proxy", trusted=True) == key()


def test_a_method_override_is_part_of_the_key():
    """An application may take it for the method."""
    assert key("X-HTTP-Method-Override: DELETE", trusted=True) != key(trusted=True)


@pytest.mark.parametrize(
    ("rule", "query", "same_as"),
    [
        (Rule(ignore_query=("utm_*", "x")), "a=1&utm_source=b&x&utm_=", "a=1"),
        (Rule(ignore_query=("utm_*",)), "%75tm_source=b&a=1", "a=1"),
        (Rule(ignore_query=("*",)), "a=1", ""),
        (Rule(only_query=("a",)), "a=1&b=2&a=3", "a=1&a=3"),
        (Rule(only_query=("a",)), "%61=1&b=2", "%61=1"),
        (Rule(only_query=()), "a=1", ""),
        (Rule(sort_query=True), "b=2&a=1", "a=1&b=2"),
        (Rule(sort_query=True, ignore_query=("c",)), "b=2&c=3&a=1", "a=1&b=2"),
    ],
)
def test_a_rule_chooses_the_parameters_that_count(rule, query, same_as):
    """Ignored ones, those not on the list, and the order where it means nothing are left out of the key."""
    assert key(rule=rule, query=query) == key(rule=rule, query=same_as)


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        (Rule(ignore_query=("utm_*",)), "a=1", "a=2"),
        (Rule(ignore_query=("utm_*",)), "UTM_a=1", ""),
        (Rule(ignore_query=("utm_*",)), "utm_a=1;id=1", "utm_a=1;id=2"),
        (Rule(only_query=("id",)), "%69d=1", ""),
        (Rule(only_query=("id",)), "x=1;id=1", ""),
        (Rule(sort_query=True), "a=1&a=2", "a=2&a=1"),
        (Rule(ttl=1), "b=2&a=1", "a=1&b=2"),
    ],
)
def test_parameters_an_application_might_read_stay_in_the_key(rule, one, other):
    """Neither encoding nor ";" smuggles a parameter past the key."""
    assert key(rule=rule, query=one) != key(rule=rule, query=other)


def test_a_rule_adds_fields_to_the_key():
    """`vary` tells requests apart where the response does not say so."""
    rule = Rule(vary=("X-Tenant",))
    assert (
        len(
            {
                key(rule=rule),
                key("X-Tenant: ", rule=rule),
                key("X-Tenant: a", rule=rule),
                key("X-Tenant: b", rule=rule),
            }
        )
        == 4
    )


def test_a_rule_adds_cookies_to_the_key():
    """`cookies` adds those it names, and no others."""
    rule = Rule(cookies=("lang", "a"))
    assert key("Cookie: lang=de; x=1", rule=rule) == key("Cookie: x=2;lang=de", rule=rule)
    different = [
        "",
        "lang=de",
        "lang=fr",
        "lang=",
        "a=de",
        "lang=de; a=",
        "lang=de; lang=fr",
        "lang=fr; lang=de",
    ]
    assert len({key(f"Cookie: {cookie}", rule=rule) for cookie in different}) == len(different)


def test_a_rules_key_is_added():
    """A callable's text tells requests apart further; str and bytes differ."""
    made = {key(rule=Rule(key=lambda _request, part=part: part)) for part in ("a", "b", b"a", "", "\ud800")}
    assert len(made) == 5


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(key=lambda _: None), Reason.PREDICATE),
        (Rule(key=lambda _: 1), Reason.RULE_ERROR),
        (Rule(key=lambda _: 1 / 0), Reason.RULE_ERROR),
        (Rule(bypass=lambda _: True), Reason.PREDICATE),
        (Rule(bypass=lambda _: False), None),
        (Rule(bypass=lambda _: 1 / 0), Reason.RULE_ERROR),
        (Rule(enabled=False), Reason.DISABLED),
    ],
)
def test_a_rule_may_keep_a_request_from_the_cache(rule, reason):
    """By its predicate, by a key that is None, by being off; a failing callable fails no request."""
    assert planned(policy=Policy(rules=(rule,))).reason is reason
