"""The dashboard over a real cache: figures, purges and pauses."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from cachelayer import Cache, Rule, cached
from cachelayer.dashboard import Bearer, Dashboard, Request
from cachelayer.errors import BackendError
from cachelayer.testing import FailingBackend
from cachelayer.testing.minimal import MinimalBackend
from tests.asgi.support import BODY, START, Server, scope
from tests.dashboard.support import TOKEN

ROUTE = "GET /products/{slug}"


class Api:
    """A script that asks the dashboard of a cache."""

    def __init__(self, cache: Cache) -> None:
        self.dashboard = Dashboard(cache, auth=Bearer(purge={"deploy": TOKEN}))

    def get(self, path: str, query: str = "") -> Any:
        """Return what GET gives."""
        return self._ask("GET", path, query=query)

    def post(self, path: str, **fields: Any) -> Any:
        """Return what POST gives."""
        return self._ask("POST", path, body=json.dumps(fields).encode())

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        answer = self.dashboard.respond(Request(method=method, path=path, headers=headers, **more))
        self.status = answer.status
        return json.loads(answer.body)


class Shop(Server):
    """Products that are cached for an hour."""

    def __init__(self, cache: Cache) -> None:
        async def shop(scope: Any, receive: Any, send: Any) -> None:
            scope["cachelayer.route"] = "/products/{slug}"
            await send({"type": START, "status": 200, "headers": []})
            await send({"type": BODY, "body": b"desk"})

        super().__init__(shop, cache=cache, rules=[Rule(path="/products/*", ttl="1h", tags=["products"])])

    def status(self, slug: str) -> str:
        """Return the Cache-Status of a product."""
        fields = dict(self.send(scope(f"/products/{slug}"))[0]["headers"])
        return fields.get(b"cache-status", b"").decode()


@pytest.fixture
def cache() -> Cache:
    """A cache in memory."""
    return Cache(name="shop")


@pytest.fixture
def shop(cache: Cache) -> Shop:
    """The shop over it."""
    return Shop(cache)


@pytest.fixture
def api(cache: Cache) -> Api:
    """A script that may purge."""
    return Api(cache)


@pytest.mark.parametrize(
    ("kind", "value", "count"),
    [
        ("url", "http://example.org/products/1", 1),
        ("route", ROUTE, 3),
        ("tag", "products", 3),
        ("prefix", "http://example.org/products/", 3),
    ],
    ids=["url", "route", "tag", "prefix"],
)
def test_each_way_to_purge(shop: Shop, api: Api, kind: str, value: str, count: int):
    """A dry run says how many, and changes nothing; the purge does it [observability 11]."""
    for slug in "123":
        shop.status(slug)
    preview = api.post("/api/purge", kind=kind, value=value, dry_run=True)
    assert (preview["count"], preview["exact"]) == (count, True)
    assert "hit" in shop.status("1")
    done = api.post("/api/purge", kind=kind, value=value, soft=False)
    assert (done["count"], done["reached"], done["workers"]) == (count, 1, 1)
    assert "fwd" in shop.status("1")


def test_what_filling_again_takes(shop: Shop, api: Api):
    """As many computations as entries, at the mean that the route's took [observability 11]."""
    for slug in "1234":
        shop.status(slug)
    preview = api.post("/api/purge", kind="route", value=ROUTE, dry_run=True)
    mean = api.get("/api/route", f"route={ROUTE}")["report"]["origin"]["mean"]
    assert preview["refill_seconds"] == pytest.approx(4 * mean)


def test_who_purged_is_in_the_log(shop: Shop, api: Api, caplog: pytest.LogCaptureFixture):
    """In the dashboard's, and in Python's [observability 11]."""
    shop.status("1")
    with caplog.at_level(logging.INFO, "cachelayer.dashboard"):
        api.post("/api/purge", kind="tag", value="products", soft=False)
    entry = api.get("/api/audit")["audit"][0]
    assert (entry["action"], entry["what"], entry["by"], entry["soft"]) == (
        "purge",
        "tag products",
        "deploy",
        False,
    )
    assert "deploy purged 'tag products' hard: 1 entries" in caplog.text


def test_a_worker_alone_says_whom_it_did_not_reach(shop: Shop, api: Api):
    """With memory and nothing shared, other workers would not know [observability 11]."""
    shop.status("1")
    assert "were not told" in api.post("/api/purge", kind="tag", value="products")["reach"]


def test_workers_that_share_a_directory_are_all_reached(tmp_path: Path):
    """Each has a memory of its own: the purge says how many it has reached, and the log follows [observability 11]."""
    one, other = (Cache(name="shop", stats_dir=tmp_path / "stats") for _ in range(2))
    shops, api = (Shop(one), Shop(other)), Api(one)
    for shop in shops:
        shop.status("1")
    for cache in (one, other):
        assert cache.recorder.flush()
    done = api.post("/api/purge", kind="tag", value="products", soft=False)
    assert (done["reached"], done["workers"]) == (1, 2)
    assert "1 of 2 workers so far" in done["reach"]
    for cache in (one, other):
        assert cache.recorder.flush()
    assert "fwd" in shops[1].status("1")
    entry = api.get("/api/audit")["audit"][0]
    assert (entry["what"], entry["reached"], entry["workers"]) == ("tag products", 2, 2)
    one.close()
    other.close()


def test_what_the_store_cannot_do_is_said():
    """A prefix takes a store that can list its keys: 409, with what it would take."""
    api = Api(Cache(MinimalBackend(), shared_stats=False))
    answer = api.post("/api/purge", kind="prefix", value="http://example.org/products/")
    assert api.status == 409
    assert "keys" in answer["error"]


def test_a_url_that_is_none_is_said(api: Api):
    """What the cache refuses is a 400 in its words."""
    assert "URL" in api.post("/api/purge", kind="url", value="http://exämple.org/")["error"]
    assert api.status == 400


def test_a_store_that_is_away_is_said():
    """A purge that cannot be made is a 503; figures of this process are there all the same [observability 12]."""
    backend = FailingBackend(MinimalBackend())
    cache = Cache(backend, shared_stats=False, on_error="raise")
    api = Api(cache)
    try:
        api.post("/api/purge", kind="tag", value="products")
        assert api.status == 503
        assert api.get("/api/report")["scope"] == "process"
        assert api.status == 200
    finally:
        backend.mend()
        cache.close()


def test_history_begins_with_the_dashboard(cache: Cache, shop: Shop):
    """Where nothing is shared, what came before is in no window; all that comes after it is [observability 8]."""
    shop.status("1")
    api = Api(cache)
    for _ in range(4):
        shop.status("1")
    report = api.get("/api/report")
    assert report["total"]["outcomes"]["hit"] == 4
    assert sum(bucket["requests"] for bucket in report["series"]) == 4


# -- pauses -------------------------------------------------------------------------------------------------------


def test_a_paused_route_goes_to_the_application(shop: Shop, cache: Cache, api: Api):
    """It neither reads nor stores; its entries stay for when it goes on [observability 11]."""
    shop.status("1")
    api.post("/api/pause", route=ROUTE)
    assert [shop.status("1"), shop.status("2"), shop.status("2")] == ["", "", ""]
    route = cache.stats().routes[ROUTE]
    assert (route.bypass, route.reasons) == (3, {"PAUSED": 3})
    assert api.get("/api/route", f"route={ROUTE}")["report"]["paused"]
    api.post("/api/pause", route=ROUTE, action="resume")
    assert "hit" in shop.status("1")
    assert "fwd=uri-miss" in shop.status("2")
    assert [(one["action"], one["by"]) for one in api.get("/api/audit")["audit"]] == [
        ("resume", "deploy"),
        ("pause", "deploy"),
    ]


def test_a_paused_function_is_called(cache: Cache):
    """Each time, counted as a bypass, until it is resumed; its entries stay."""
    calls: list[int] = []

    @cached(cache=cache, ttl=60, name="double")
    def double(number: int) -> int:
        calls.append(number)
        return number * 2

    for _ in range(3):
        assert double(2) == 4
    cache.pause("double")
    for _ in range(3):
        assert double(2) == 4
    assert len(calls) == 4
    assert double.stats().bypass == 3
    cache.resume("double")
    assert double(2) == 4
    assert len(calls) == 4


def test_other_routes_go_on(shop: Shop, cache: Cache):
    """A pause is of one label."""
    cache.pause("GET /other")
    shop.status("1")
    assert "hit" in shop.status("1")


def test_a_pause_is_known_to_later_workers(tmp_path: Path):
    """It is written down beside the statistics: another cache over the store, as a new process has, heeds it."""
    url = f"disk://{tmp_path}/cache.db"
    one, other = Cache(url, name="shop"), Cache(url, name="shop")
    one.pause(ROUTE)
    assert other.recorder.flush()
    assert other.paused == {ROUTE}
    other.resume(ROUTE)
    one.recorder.flush()
    assert one.paused == frozenset()
    one.close()
    other.close()


def test_a_pause_that_cannot_be_written_down_is_none(cache: Cache, api: Api, monkeypatch: pytest.MonkeyPatch):
    """All workers or none: where the store is away it is a 503, and nothing is paused."""

    def away(*_: object, **__: object) -> frozenset[str]:
        raise OSError("no route to host")

    monkeypatch.setattr(cache.recorder.pauses, "change", away)
    api.post("/api/pause", route=ROUTE)
    assert api.status == 503
    assert cache.paused == frozenset()
    with pytest.raises(BackendError, match="is not paused"):
        cache.pause(ROUTE)


def test_pauses_are_bounded(cache: Cache, api: Api, monkeypatch: pytest.MonkeyPatch):
    """Whoever pauses label after label is refused in the end: 400."""
    monkeypatch.setattr("cachelayer.stats.pausing.MOST_PAUSED", 2)
    for label in ("GET /1", "GET /2", "GET /2"):
        api.post("/api/pause", route=label)
        assert api.status == 200
    assert "resume some first" in api.post("/api/pause", route="GET /3")["error"]
    assert api.status == 400


# -- many who look ------------------------------------------------------------------------------------------------


def test_many_who_look_share_a_report(cache: Cache, monkeypatch: pytest.MonkeyPatch):
    """Within half a second one report serves all, for each window; an action makes a new one."""
    from cachelayer import stats

    made: list[float] = []
    real = stats.make_report

    def counting(cache: Cache, window: float) -> Any:
        made.append(window)
        return real(cache, window=window)

    monkeypatch.setattr(stats, "make_report", counting)
    monkeypatch.setattr("cachelayer.dashboard.sources._FRESH", 60.0)
    api = Api(cache)
    for window in ("1h", "1h", "24h", "1h"):
        api.get("/api/report", f"window={window}")
    assert made == [3600.0, 86_400.0]
    for minutes in range(1, 20):
        api.get("/api/report", f"window={minutes}m")
    api.post("/api/pause", route=ROUTE)
    made.clear()
    api.get("/api/report", "window=1h")
    assert made == [3600.0]


def test_the_default_cache_is_bound_at_the_first_look():
    """Without a cache it shows the process's, whichever that is by then."""
    from cachelayer import configure

    dashboard = Dashboard(auth=Bearer(view=TOKEN))
    configure(name="later", replace=True)
    request = Request(method="GET", path="/api/report", headers={"authorization": f"Bearer {TOKEN}"})
    assert json.loads(dashboard.respond(request).body)["cache"] == "later"
