"""The JSON API, the forms behind the page's buttons, and what becomes of bad input."""

import json

import msgspec
import pytest

from cachelayer import Cache
from cachelayer.dashboard.actions import Done
from cachelayer.dashboard.messages import MOST_BODY_BYTES, Request
from cachelayer.dashboard.sources import Source
from cachelayer.stats.report import Report
from tests.dashboard.support import SHELLS, Asker, field, make_dashboard


@pytest.fixture(params=SHELLS)
def asker(request: pytest.FixtureRequest) -> Asker:
    """Someone who may purge, at each door."""
    return SHELLS[request.param](make_dashboard())


def data(response) -> dict:
    """Return what a response says as JSON."""
    assert field(response, "Content-Type") == "application/json"
    return json.loads(response.body)


def post_json(asker: Asker, path: str, value: object, **headers: str):
    """Send JSON with the page's token in its header field."""
    token = data(asker.get("/api/session"))["csrf_token"]
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return asker.send(
        "POST",
        path,
        body=body,
        headers={"content-type": "application/json", "x_csrf_token": token, **headers},
    )


def test_the_report_is_the_statistics_own(asker: Asker):
    """What the API gives can be read back as the very report [observability 7]."""
    report = msgspec.convert(data(asker.get("/api/report", "window=24h")), Report)
    assert (report.window, report.cache, len(report.routes)) == (86_400.0, "shop", 15)


def test_the_report_without_history(asker: Asker):
    """Each route's steps are most of a long window's report, and can be left out."""
    found = data(asker.get("/api/report", "window=24h&spark=false"))
    assert {len(row["spark"]) for row in (*found["routes"], *found["functions"])} == {0}
    assert asker.get("/api/report", "spark=perhaps").status == 400


def test_one_route(asker: Asker):
    """Its report, and its keys and examples [observability 9]."""
    found = data(asker.get("/api/route", "route=GET+/search"))
    assert found["report"]["route"] == found["detail"]["route"] == "GET /search"
    assert found["detail"]["splits"][0]["name"] == "utm_source"
    assert asker.get("/api/route", "route=GET+/gone").status == 404
    assert asker.get("/api/route").status == 400


def test_the_log(asker: Asker):
    """Who purged what, and whom it reached [observability 11]."""
    assert {"by", "at", "what", "count", "reached", "workers"} <= set(
        data(asker.get("/api/audit"))["audit"][0]
    )


def test_who_am_i(asker: Asker):
    """A script gets its token against forgery here."""
    found = data(asker.get("/api/session"))
    assert (found["user"], found["roles"]) == ("alice", ["view", "purge"])


def test_a_dry_run_then_a_purge(asker: Asker):
    """Both say how many entries and what filling them again takes; soft unless told otherwise [observability 11]."""
    found = data(post_json(asker, "/api/purge", {"kind": "tag", "value": "user:7", "dry_run": True}))
    assert (found["dry_run"], found["soft"], found["count"], found["refill_seconds"]) == (
        True,
        True,
        9120,
        1660.0,
    )
    assert (
        data(post_json(asker, "/api/purge", {"kind": "tag", "value": "user:7", "soft": False}))["soft"]
        is False
    )
    assert [(target.words, target.soft, dry) for target, _, dry in asker.dashboard.source.purged] == [  # type: ignore[attr-defined]
        ("tag user:7", True, True),
        ("tag user:7", False, False),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "tag", "value": "a", "mode": "softly"},
        {"route": ""},
        {"route": "x" * 2001},
        {"route": "GET /", "action": "stop"},
    ],
    ids=["mode", "no route", "long route", "action"],
)
def test_a_form_that_makes_no_sense_is_refused(asker: Asker, fields: dict[str, str]):
    """With 400, and nothing is done."""
    assert asker.post("/purge" if "kind" in fields else "/pause", fields).status == 400
    assert asker.dashboard.source.purged == asker.dashboard.source.paused == []  # type: ignore[attr-defined]


def test_a_purge_of_an_unknown_number(monkeypatch: pytest.MonkeyPatch):
    """Where the store cannot tell, the dialog says so, and promises nothing about filling it again."""
    dashboard = make_dashboard()
    monkeypatch.setattr(
        dashboard.source, "purge", lambda target, user, dry_run: Done(count=None, exact=False)
    )
    shown = Asker(dashboard).post("/purge", {"kind": "tag", "value": "a"}).body
    assert b"An unknown number of entries" in shown
    assert b"computing" not in shown


def test_pausing_and_resuming(asker: Asker):
    """By a label, as the user who asked [observability 11]."""
    assert data(post_json(asker, "/api/pause", {"route": "GET /search"})) == {
        "route": "GET /search",
        "paused": True,
    }
    assert (
        data(post_json(asker, "/api/pause", {"route": "GET /search", "action": "resume"}))["paused"] is False
    )
    assert asker.dashboard.source.paused == [("GET /search", "alice", False), ("GET /search", "alice", True)]  # type: ignore[attr-defined]


# -- the same by forms --------------------------------------------------------------------------------------------


def test_purging_by_form_asks_first(asker: Asker):
    """A form without a step is a preview, on a page of its own where there is no script [observability 7]."""
    fields = {"kind": "route", "value": "GET /search", "mode": "soft"}
    shown = asker.post("/purge", fields)
    assert b"9,120 entries" in shown.body
    assert b"27.7 min" in shown.body
    assert shown.body.startswith(b"<!doctype html>")
    done = asker.post("/purge", {**fields, "step": "purge"}, x_requested_with="dashboard")
    assert b"now stale" in done.body
    assert b"<!doctype" not in done.body
    assert [dry for _, _, dry in asker.dashboard.source.purged] == [True, False]  # type: ignore[attr-defined]


def test_the_form_has_a_page(asker: Asker):
    """Without JavaScript the button leads there; the route of an open drawer is filled in."""
    text = asker.get("/purging", "route=GET+/search").body.decode()
    assert 'value="GET /search"' in text
    assert 'action="purge"' in text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/x", ""])
def test_pausing_by_form_returns_to_the_page_alone(asker: Asker, back: str):
    """Wherever a form says to go next [security: dashboard]."""
    response = asker.post("/pause", {"route": "GET /search", "back": back})
    assert (response.status, field(response, "Location")) == (303, "./")
    kept = asker.post("/pause", {"route": "GET /search", "back": "./?window=24h"})
    assert field(kept, "Location") == "./?window=24h"


@pytest.mark.parametrize("back", ["./?a=1\r\nSet-Cookie: x=1", "./?window=\u4e16", './?a="<b>'], ids=ascii)
def test_pausing_by_form_splits_no_header(asker: Asker, back: str):
    """Whatever the form says stands in one field line, quoted [security: dashboard]."""
    response = asker.post("/pause", {"route": "GET /search", "back": back})
    location = dict(response.headers)["Location"]
    assert response.status == 303
    assert location.startswith("./?")
    assert location.isascii()
    assert not set(location) & set('\r\n"<> ')


# -- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "window=", "unknown=1", "q=%FF%FE", "q=%00", "route=%F0%9F%92%A9", "window=3600", "window=90s", "&&&=&;",
        "page=007",
    ],
)  # fmt: skip
def test_odd_parameters_are_harmless(asker: Asker, query: str):
    """What can be understood is, and what is unknown is ignored."""
    assert asker.get("/", query).status == 200


ABSURD = {
    "zero": "window=0",
    "negative": "window=-1h",
    "nan": "window=nan",
    "exponent": "window=1e9",
    "infinite": "window=inf",
    "years": "window=999d",
    "words": "window=forever",
    "digits": "window=" + "9" * 5000,
    "column": "sort=__class__",
    "markup": "sort=<script>",
    "page 0": "page=0",
    "page -1": "page=-1",
    "fraction": "page=1.5",
    "superscript": "page=%C2%B2",
    "large page": "page=" + "9" * 100,
    "long filter": "q=" + "x" * 3000,
    "long route": "route=" + "x" * 3000,
    "many": "&".join(f"a{number}=1" for number in range(60)),
}


@pytest.mark.parametrize("query", ABSURD.values(), ids=ABSURD)
def test_absurd_parameters_are_refused(asker: Asker, query: str):
    """A 400 that says what is possible, on the page and in the API alike, and never a 500 [security: dashboard]."""
    response = asker.get("/", query)
    assert response.status == 400
    assert b"<script>" not in response.body
    if query.startswith("window"):
        assert "duration" in data(asker.get("/api/report", query))["error"]


NONSENSE = {
    "nothing": b"",
    "cut off": b"{",
    "list": b"[]",
    "number": b"1",
    "null": b"null",
    "nested": b'{"kind": {}}',
    "no text": b"\xff",
    "deep": b"[" * 10_000,
    "empty": {},
    "unknown kind": {"kind": "everything", "value": "x"},
    "no value": {"kind": "route"},
    "blank value": {"kind": "route", "value": "  "},
    "long value": {"kind": "route", "value": "x" * 2001},
    "relative": {"kind": "url", "value": "/a"},
    "soft": {"kind": "tag", "value": "a", "soft": "maybe"},
    "dry run": {"kind": "tag", "value": "a", "dry_run": 1},
    "list of tags": {"kind": "tag", "value": ["a"]},
}


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
def test_a_purge_that_makes_no_sense_is_refused(asker: Asker, value: object):
    """A 400 with the reason, and nothing is purged."""
    response = post_json(asker, "/api/purge", value)
    assert response.status == 400
    assert data(response)["error"]
    assert asker.dashboard.source.purged == []  # type: ignore[attr-defined]


def test_a_body_of_another_kind_is_refused(asker: Asker):
    """Text that a foreign page could send without asking is no form."""
    response = post_json(asker, "/api/purge", {"kind": "tag", "value": "a"}, content_type="text/plain")
    assert response.status == 400


def test_a_long_body_is_refused(asker: Asker):
    """Reading stops at the limit, and the answer says so."""
    response = post_json(asker, "/api/purge", b"x" * (MOST_BODY_BYTES + 100))
    assert response.status == 413


# -- what goes wrong elsewhere ------------------------------------------------------------------------------------


def test_without_figures_the_page_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """The page stands with a notice, the API answers 503, and the log has the cause [observability 12]."""

    def fail(*_: object, **__: object) -> Report:
        raise ConnectionError("redis://:hunter2@store is away")

    monkeypatch.setattr("cachelayer.stats.make_report", fail)
    monkeypatch.setattr("cachelayer.stats.route_detail", fail)
    dashboard = make_dashboard()
    vars(dashboard)["source"] = Source(Cache())
    asker = Asker(dashboard)
    page = asker.get("/", "route=GET+/search")
    assert page.status == 200
    assert b"There are no figures now" in page.body
    answer = asker.get("/api/report")
    assert answer.status == 503
    assert b"hunter2" not in page.body + answer.body
    assert "store is away" in caplog.text


def test_a_failure_of_our_own_is_a_500_without_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Nothing that went wrong within reaches the client."""
    dashboard = make_dashboard()
    monkeypatch.setattr(dashboard.source, "report", lambda window: 1 / 0)
    response = Asker(dashboard).get("/api/report")
    assert (response.status, json.loads(response.body)["error"]) == (500, "this failed; the log says why")
    assert "ZeroDivisionError" in caplog.text


def test_head_has_no_body(asker: Asker):
    """But the length that GET would have."""
    head, got = asker.send("HEAD", "/api/session"), asker.get("/api/session")
    assert (head.status, head.body) == (200, b"")
    assert field(head, "Content-Length") == str(len(got.body))


def test_files_have_names_for_their_content(asker: Asker):
    """So that they can be kept for ever; other names are not found."""
    name = asker.get().body.decode().partition('stylesheet" href="')[2].partition('"')[0]
    file = asker.get(f"/{name}")
    assert "immutable" in field(file, "Cache-Control")
    assert field(file, "Content-Type").startswith("text/css")
    for other in ("/assets/dashboard.css", "/assets/../core.py", "/assets/"):
        assert asker.get(other).status == 404


def test_requests_can_be_made_by_hand():
    """As a framework's view does: with the method, the path below the mount point, and the fields."""
    response = make_dashboard().respond(Request(method="GET", path="/"))
    assert response.status == 401
