"""Rules and policies: what they refuse, what they match, and points 24 and "bad input" as far as they go now."""

from datetime import timedelta

import pytest

from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.http import Policy, Reason, Request, Rule
from cachelayer.http.cache_status import cache_name
from cachelayer.http.policy import HEADERS_ONLY
from tests.http.support import admitted, planned, request


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "static/*"}, "path"),
        ({"path": "/a/**/b"}, "path"),
        ({"path": "/a/{}"}, "path"),
        ({"path": "/a/{b"}, "path"),
        ({"path": "/a/{b:path}"}, "path"),
        ({"path": "/{a}/{a}"}, "path"),
        ({"path": 1}, "path"),
        ({"methods": ("DELETE",)}, "methods"),
        ({"methods": "GET"}, "methods"),
        ({"route": 1}, "route"),
        ({"route": "GET /a", "vary": ("X",)}, "vary"),
        ({"route": "GET /a", "cookies": ()}, "cookies"),
        ({"route": "GET /a", "bypass": bool}, "bypass"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": "soon"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"client_ttl": -1}, "client_ttl"),
        ({"override": True}, "override"),
        ({"override": 1, "ttl": 1}, "override"),
        ({"status": {404: -1}}, r"status\[404\]"),
        ({"status": {404: None}}, r"status\[404\]"),
        ({"status": {"404": 1}}, "status"),
        ({"status": {True: 1}}, "status"),
        ({"status": (404,)}, "status"),
        *[
            ({"status": {code: 1}}, str(code))
            for code in (100, 206, 304, 400, 405, 413, 414, 431, 500, 503, 600)
        ],
        ({"ignore_query": "utm_*"}, "ignore_query"),
        ({"ignore_query": ("",)}, "ignore_query"),
        ({"ignore_query": ("a",), "only_query": ("b",)}, "only_query"),
        ({"only_query": 1}, "only_query"),
        ({"sort_query": "yes"}, "sort_query"),
        ({"vary": ("X Y",)}, "vary"),
        ({"vary": ("é",)}, "vary"),
        ({"cookies": "a"}, "cookies"),
        ({"strip_cookies": (1,)}, "strip_cookies"),
        ({"tags": ("user:{id}",)}, "tags"),
        ({"tags": ("user:{",)}, "tags"),
        ({"path": "/{id}", "tags": ("{id!r}",)}, "tags"),
        ({"path": "/{id}", "tags": ("{id.x}",)}, "tags"),
        ({"key": "x"}, "key"),
        ({"bypass": True}, "bypass"),
        ({"enabled": "no"}, "enabled"),
        ({"stale_while_revalidate": -1}, "stale_while_revalidate"),
        ({"stale_if_error": "soon"}, "stale_if_error"),
        ({"min_uses": -1}, "min_uses"),
        ({"min_uses": 1.5}, "min_uses"),
        ({"collapse": "yes"}, "collapse"),
    ],
)
def test_a_rule_refuses_what_cannot_work(options, words):
    """The error comes where the rule is made, and names the argument."""
    with pytest.raises((ConfigurationError, OptionTypeError), match=words):
        Rule(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"default_ttl": -1}, "default_ttl"),
        ({"default_ttl": float("inf")}, "default_ttl"),
        ({"rules": Rule()}, "rules"),
        ({"rules": ({"ttl": 1},)}, "rules"),
        ({"rules": 1}, "rules"),
        ({"cache_status": ""}, "cache_status"),
        ({"cache_status": "é"}, "cache_status"),
        ({"cache_status": "a\nb"}, "cache_status"),
        ({"cache_status": True}, "cache_status"),
        ({"ignore_cookies": "a"}, "ignore_cookies"),
        ({"session_cookies": (1,)}, "session_cookies"),
        ({"store_set_cookie": 1}, "store_set_cookie"),
        ({"trusted_forwarding": None}, "trusted_forwarding"),
        ({"trust_request_directives": "no"}, "trust_request_directives"),
        ({"targeted": "CDN-Cache-Control"}, "targeted"),
        ({"max_body_bytes": -1}, "max_body_bytes"),
        ({"max_body_bytes": 1.5}, "max_body_bytes"),
        ({"heuristic_freshness": 0}, "heuristic_freshness"),
        ({"keep_stale": -1}, "keep_stale"),
        ({"collapse": None}, "collapse"),
        ({"collapse_timeout": "long"}, "collapse_timeout"),
        ({"shadow": "yes"}, "shadow"),
    ],
)
def test_a_policy_refuses_what_cannot_work(options, words):
    """As a rule does."""
    with pytest.raises((ConfigurationError, OptionTypeError), match=words):
        Policy(**options)


@pytest.mark.parametrize("kind", [Rule, Policy])
def test_unknown_options_are_refused(kind):
    """A misspelt option is a TypeError, and so is one without its name."""
    with pytest.raises(TypeError):
        kind(tll=1)
    with pytest.raises(TypeError):
        kind(1)


def test_options_are_frozen():
    """What was checked cannot be changed."""
    with pytest.raises(AttributeError):
        Rule(ttl=1).ttl = -1  # type: ignore[misc]


@pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1), "1m"])
def test_durations_are_given_in_any_form(ttl):
    """Seconds, timedelta or text."""
    assert Policy(rules=(Rule(ttl=ttl),)).ttl_for(Rule(ttl=ttl), 200) == 60


MATCHES = [
    ("/a", "/a", True), ("/a", "/a/", False), ("/a", "/ab", False), ("/a", "/A", False), ("/*", "/", True),
    ("/*", "/a/b.c", True), ("/static/*", "/static/", True), ("/static/*", "/static/css/a.css", True),
    ("/static/*", "/static", False), ("/static/*", "/statics/a", False), ("/*.css", "/x.css", True),
    ("/*.css", "/profile/x.css", False), ("/*/a", "/x/a", True), ("/*/a", "/x/y/a", False),
    ("/users/{id}", "/users/7", True), ("/users/{id}", "/users/", False), ("/users/{id}", "/users/7/x", False),
    ("/users/{id}.json", "/users/7.json", True), ("/a+b", "/a+b", True), ("/a.b", "/axb", False),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path", "matches"), MATCHES)
def test_paths_are_matched_by_segments(pattern, path, matches):
    """A star or a name stays within a segment, but for a star that ends the pattern."""
    rule = Rule(path=pattern)
    assert (Policy(rules=(rule,)).rule_for(request(path=path)) is rule) is matches


@pytest.mark.parametrize(
    "path",
    ["/profile;x.css", "/profile%2fx.css", "/profile%2Fx.css", "/profile%252fx.css", "/static/..%2fprofile",
     "/static/../profile", "/static/./a", "/static/..", "/static/%2e%2e/profile", "/static\\..\\profile",
     "/static/a%5c..", "/static/a%00", "/static/a\n", "/..%2fstatic/a.css", "/profile%3bx.css", "/..;/static/a",
     "/profile%3fx.css", "/profile%23.css", "/static/a%09"],
)  # fmt: skip
@pytest.mark.parametrize("pattern", ["/*", "/*.css", "/static/*", "/{name}"])
def test_a_path_that_may_be_another_matches_no_pattern(path, pattern):
    """Neither a rule nor the default makes it cacheable: its response's own headers decide."""
    policy = Policy(default_ttl=60, rules=(Rule(path=pattern, ttl=60, override=True),))
    plan = planned(path=path, policy=policy)
    assert plan.rule is HEADERS_ONLY
    assert admitted(plan=plan).reason is Reason.NO_FRESHNESS
    assert admitted("Cache-Control: max-age=1", plan=plan).reason is Reason.EXPLICIT


def test_rules_without_a_path_are_for_every_path():
    """Where no rule has a pattern, no path can be mistaken for another."""
    rule = Rule(ttl=60)
    assert Policy(rules=(rule,)).rule_for(request(path="/a%2fb")) is rule


def test_the_first_rule_that_matches_counts():
    """Later ones are not looked at, nor merged in."""
    one, two = Rule(path="/a/*", ttl=1), Rule(ttl=2)
    policy = Policy(rules=[one, two])
    assert policy.rule_for(request(path="/a/b")) is one
    assert policy.rule_for(request(path="/b")) is two


def test_a_rule_may_be_for_one_method():
    """GET and HEAD are two."""
    policy = Policy(rules=(Rule(methods=("HEAD",), ttl=1),))
    assert policy.rule_for(request()) is None
    assert policy.rule_for(request(method="HEAD")) is not None


def test_a_predicate_sees_the_request():
    """It gets the frozen value the engine has."""
    seen: list[Request] = []
    sent = planned(policy=Policy(rules=(Rule(bypass=lambda request: bool(seen.append(request))),)))
    assert seen == [sent.request]


@pytest.mark.parametrize(
    ("name", "text"),
    [("cachelayer", "cachelayer"), ("a.b/c:d-1", "a.b/c:d-1"), ("*x", "*x"), ("my cache", '"my cache"'),
     ("1a", '"1a"'), ('a"\\', '"a\\"\\\\"'), ("a;b", '"a;b"')],
)  # fmt: skip
def test_the_caches_name_is_a_token_or_a_string(name, text):
    """RFC 9211: what is no token is quoted, so that it cannot break the field."""
    assert cache_name(name) == text
