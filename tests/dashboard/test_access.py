"""Who gets in, and what nobody can make another's browser do: through the core, ASGI and WSGI alike."""

import json
import logging

import pytest

from cachelayer import Cache, CacheLayerError, ConfigurationError
from cachelayer.dashboard import Basic, Bearer, Dashboard, Request, Role, User
from cachelayer.dashboard.forgery import LIFETIME, Forgeries
from tests.dashboard.support import PURGER, SHELLS, TOKEN, VIEWER, Asker, field, make_dashboard

PAGES = [
    "/",
    "/live",
    "/purging",
    "/api/report",
    "/api/route",
    "/api/audit",
    "/api/session",
    "/assets/x.css",
    "/none",
]
PURGE = {"kind": "route", "value": "GET /search"}


@pytest.fixture(params=SHELLS)
def asker(request: pytest.FixtureRequest) -> Asker:
    """Someone who may purge, at each door."""
    return SHELLS[request.param](make_dashboard())


# -- credentials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_without_credentials_nothing_is_told(asker: Asker, path: str):
    """Every path, existing or not, answers 401 with the ways to authenticate, and no more [security: dashboard]."""
    asker.person = None
    response = asker.get(path)
    assert response.status == 401
    assert field(response, "WWW-Authenticate").startswith("Basic realm=")
    assert b"cachelayer" not in response.body


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic", "Basic !!!", "Basic YWxpY2U6d3Jvbmc=", "Basic YWxpY2U=", "Bearer", "Bearer wrong", "Digest x",
        "x" * 9000, "Bearer correct horse battery", "Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IA==",
    ],
)  # fmt: skip
def test_wrong_credentials_are_no_credentials(asker: Asker, authorization: str):
    """Whatever else stands in the field is refused with 401 [security: dashboard]."""
    asker.person = None
    assert asker.get("/", authorization=authorization).status == 401


def test_a_stranger_who_cannot_be_asked_for_credentials_finds_nothing():
    """With a framework's users behind a function there is nothing to ask for: 404 [security: dashboard]."""
    dashboard = make_dashboard(auth=lambda request: None, secret_key="k" * 16)
    response = Asker(dashboard, None).get()
    assert (response.status, field(response, "WWW-Authenticate")) == (404, "")


def test_a_function_can_say_who_asks():
    """The application's own users come through a function, which sees what the server gave [observability 12]."""

    def auth(request: Request) -> User | None:
        name = request.source and request.source["user"]
        return User(name, frozenset({Role.PURGE})) if name else None

    dashboard = make_dashboard(auth=auth, secret_key="k" * 16)
    request = Request(method="GET", path="/api/session", source={"user": "maria"})
    assert json.loads(dashboard.respond(request).body)["roles"] == ["view", "purge"]
    assert dashboard.respond(Request(method="GET", path="/api/session")).status == 404


def test_a_function_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture):
    """An auth function that raises is a 500 that tells nothing, and the log has it [observability 12]."""

    def auth(request: Request) -> User | None:
        raise RuntimeError("the user database is away: secret-dsn")

    dashboard = make_dashboard(auth=auth, secret_key="k" * 16)
    with caplog.at_level(logging.ERROR, "cachelayer.dashboard"):
        response = Asker(dashboard, None).get()
    assert response.status == 500
    assert b"secret-dsn" not in response.body
    assert "secret-dsn" in caplog.text


# -- roles --------------------------------------------------------------------------------------------------------


def test_who_may_only_view_cannot_purge_or_pause(asker: Asker):
    """The role to view sees all, and each action is a 403 [observability 12]."""
    asker.person = VIEWER
    assert asker.get("/").status == asker.get("/api/report").status == 200
    for path in ("/purge", "/pause", "/api/purge", "/api/pause"):
        assert asker.post(path, {**PURGE, "route": "GET /search"}).status == 403
    assert asker.dashboard.source.purged == asker.dashboard.source.paused == []  # type: ignore[attr-defined]
    assert b"data-purge" not in asker.get("/", "route=GET+/search").body


def test_a_user_without_a_role_sees_nothing():
    """Somebody whom the application knows and gives no role gets 403, also for the files."""
    dashboard = make_dashboard(auth=lambda request: User("intern", frozenset()), secret_key="k" * 16)
    assert {Asker(dashboard, None).get(path).status for path in ("/", "/api/report")} == {403}


# -- forged requests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/purge", "/pause", "/api/purge", "/api/pause"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PURGE"])
def test_actions_take_post_alone(asker: Asker, path: str, method: str):
    """A link, an image or another method changes nothing: 405, and Allow says which [security: dashboard]."""
    response = asker.send(method, path, "kind=route&value=GET+/search&step=purge")
    assert (response.status, field(response, "Allow")) == (405, "POST")


@pytest.mark.parametrize("path", ["/purge", "/pause", "/api/purge", "/api/pause"])
@pytest.mark.parametrize("token", [None, "x", "1.2", "0." + "0" * 64, "9" * 400, "\u00b2.x", "-1.x"])
def test_without_the_page_s_token_nothing_is_done(asker: Asker, path: str, token: str | None):
    """An action without a token, or with a made-up one, is a 403 [security: dashboard]."""
    assert asker.post(path, {**PURGE, "route": "GET /search"}, token).status == 403
    assert asker.dashboard.source.purged == asker.dashboard.source.paused == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/purge", "/pause", "/api/purge", "/api/pause"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://shop.example.evil.example"},
        {"origin": "http://shop.example:8080"},
        {"origin": "http://["},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=["foreign", "hidden", "longer", "port", "broken", "cross-site", "subdomain"],
)
def test_another_site_s_request_is_refused_even_with_a_token(
    asker: Asker, path: str, headers: dict[str, str]
):
    """A foreign Origin or Sec-Fetch-Site is a 403, whatever else is right [security: dashboard]."""
    assert asker.post(path, {**PURGE, "route": "GET /search"}, **headers).status == 403


def test_the_page_s_own_request_is_done(asker: Asker):
    """With credentials, token and the page's own origin it is done [observability 11]."""
    response = asker.post("/api/purge", PURGE, sec_fetch_site="same-origin")
    assert response.status == 200
    assert asker.dashboard.source.purged[0][1:] == ("alice", False)  # type: ignore[attr-defined]


def test_a_token_is_one_user_s():
    """Another user's token, and that of another dashboard's key, are refused."""
    dashboard = make_dashboard()
    theirs = Asker(dashboard, VIEWER).token()
    assert Asker(dashboard).post("/api/purge", PURGE, theirs).status == 403
    other = make_dashboard(secret_key="another key of enough length")
    assert Asker(other).post("/api/purge", PURGE, Asker(dashboard).token()).status == 403


def test_workers_make_the_same_tokens():
    """What one worker's page holds is good at all others: the key comes of the credentials."""
    assert Asker(make_dashboard()).post("/api/purge", PURGE, Asker(make_dashboard()).token()).status == 200


def test_a_token_has_its_time():
    """It is good for half a day, and then no more; nor is one from the future."""
    now = [1000.0]
    forgeries, user = Forgeries(b"k" * 32, clock=lambda: now[0]), User("alice")
    token, request = forgeries.token(user), Request(method="POST", path="/purge")
    now[0] += LIFETIME
    forgeries.check(request, user, token)
    for moment in (now[0] + 1, 900.0):
        now[0] = moment
        with pytest.raises(Exception, match="too old"):
            forgeries.check(request, user, token)


def test_a_bearer_token_needs_no_other():
    """No browser sends it by itself, so scripts need no token against forgery; a foreign Origin is refused yet."""
    asker = Asker(make_dashboard(), None)
    own = {"authorization": f"Bearer {TOKEN}"}
    assert asker.post("/api/purge", PURGE, None, **own).status == 200
    assert asker.post("/api/purge", PURGE, None, **own, origin="https://evil.example").status == 403


def test_a_proxy_s_origin_can_be_named():
    """Where a proxy changes Host, `origins=` says which origin the page has."""
    asker = Asker(make_dashboard(origins=["https://admin.example"]))
    assert asker.post("/api/purge", PURGE, origin="https://admin.example").status == 200


# -- what every answer says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/report", "/none", "/purge"])
def test_every_answer_is_strict(asker: Asker, path: str):
    """Nothing from elsewhere, nothing inline, no frame, no sniffing, no storing [observability 12]."""
    response = asker.get(path)
    policy = field(response, "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert field(response, "X-Content-Type-Options") == "nosniff"
    assert "no-store" in field(response, "Cache-Control")
    assert "Access-Control-Allow-Origin" not in dict(response.headers)


# -- configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        (None, "let everybody purge"),
        ([], "auth= is empty"),
        ("alice", "cannot be called"),
        (Basic, "cannot be called"),
        (lambda request: None, "secret_key= is missing"),
    ],
    ids=["none", "empty", "text", "class", "no key"],
)
def test_a_mistake_is_said_at_once(auth, says: str):
    """A dashboard that anybody could use, or whose tokens could be forged, is not made [observability 12]."""
    with pytest.raises(CacheLayerError, match=says):
        Dashboard(Cache(), auth=auth)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Basic, "nobody would get in"),
        (lambda: Basic(view={"eve": "short"}), "too short"),
        (lambda: Basic(view={"a": "password1"}, purge={"a": "password2"}), "twice"),
        (lambda: Basic(view={"a:b": "password1"}), "colon"),
        (lambda: Bearer(view=""), "too short"),
        (lambda: Dashboard(Cache(), auth=Basic(view={"eve": "password1"}), interval=0), "interval"),
        (lambda: Dashboard(Cache(), auth=Basic(view={"eve": "password1"}), origins=["evil"]), "origin"),
        (lambda: Dashboard(Cache(), auth=Basic(view={"eve": "password1"}), secret_key="x"), "too short"),
    ],
    ids=["nobody", "short", "twice", "colon", "empty token", "interval", "origin", "key"],
)
def test_options_are_checked_where_they_are_given(make, says: str):
    """Each option that cannot work raises, with the remedy [observability 12]."""
    with pytest.raises(ConfigurationError, match=says):
        make()


def test_auth_must_be_given():
    """There is no dashboard without an answer to who may see it [observability 12]."""
    with pytest.raises(TypeError, match="auth"):
        Dashboard(Cache())  # type: ignore[call-arg] # that is the point


def test_secrets_do_not_show():
    """Neither a repr nor the state of the object has a password or token as text [security: dashboard]."""
    dashboard = make_dashboard()
    shown = repr(dashboard) + repr(vars(dashboard)) + repr([vars(way) for way in dashboard._auth._ways])
    assert PURGER[1] not in shown
    assert TOKEN not in shown
