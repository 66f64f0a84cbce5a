"""The example shop: what it keeps, what it never gives to anybody else, and what a write purges [integrations 5]."""

import re
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cachelayer import Cache
from tests.integrations.running import Running

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The shop over a database and a cache of its own."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from fastapi_shop.app import create_app

    yield create_app(tmp_path / "shop.sqlite3", Cache())
    for name in [name for name in sys.modules if name.partition(".")[0] == "fastapi_shop"]:
        del sys.modules[name]


PASSWORDS = {"ann": "correct horse", "bo": "battery staple", "eve": "shop keeper"}


def visit(shop, name=None):
    """Return a browser, of somebody who has logged in if a name is given."""
    client = TestClient(shop)
    if name is not None:
        fields = {"token": token_of(client.get("/login")), "name": name, "password": PASSWORDS[name]}
        assert client.post("/login", data=fields).status_code == 200
    return client


def token_of(response):
    """Return the token in a form."""
    return re.search(r'name="token" value="([^"]+)"', response.text)[1]


def is_hit(response):
    """Whether a cache gave this response."""
    return "; hit" in response.headers.get("cache-status", "")


def test_a_list_is_kept_page_by_page(shop):
    """For everybody, whoever has logged in."""
    pages = [visit(shop).get("/api/books", params={"page": page}).json() for page in (1, 2, 3)]
    assert [[book["title"] for book in page["books"]] for page in pages] == [
        ["Emma", "Middlemarch"],
        ["Ulysses", "Dracula"],
        ["Persuasion"],
    ]
    assert is_hit(visit(shop, "ann").get("/api/books", params={"page": 2}))


def test_a_page_of_ones_own_is_never_anothers(shop):
    """Each customer sees their own name and count, whoever came before."""
    ann, bo = visit(shop, "ann"), visit(shop, "bo")
    ann.post("/api/orders/1")
    seen = [(client.get("/account"), name) for client, name in ((ann, "ann"), (bo, "bo")) * 2]
    assert all(f"Hello {name}" in response.text and not is_hit(response) for response, name in seen)
    assert ["ordered 1" in response.text for response, _ in seen] == [True, False, True, False]
    assert visit(shop).get("/account").status_code == 401


def test_orders_are_kept_for_each_customer(shop):
    """And made anew by an order of theirs, not by one of another's."""
    ann, bo = visit(shop, "ann"), visit(shop, "bo")
    for client, number in ((ann, 1), (bo, 2)):
        client.post(f"/api/orders/{number}")
        client.get("/api/orders")
    answers = [client.get("/api/orders") for client in (ann, bo)]
    assert [[book["id"] for book in answer.json()] for answer in answers] == [[1], [2]]
    assert all(map(is_hit, answers))
    ann.post("/api/orders/3")
    assert [book["id"] for book in ann.get("/api/orders").json()] == [1, 3]
    assert is_hit(bo.get("/api/orders"))
    assert visit(shop).get("/api/orders").status_code == 401


def test_a_form_holds_the_token_of_its_own_visitor(shop):
    """So it is never stored, and nobody can send another's."""
    ann, bo = visit(shop, "ann"), visit(shop, "bo")
    tokens = [token_of(client.get("/review/1")) for client in (ann, bo)]
    assert tokens[0] != tokens[1]
    forged = bo.post("/review/1", data={"token": tokens[0], "text": "dull"})
    assert forged.status_code == 403
    sent = ann.post("/review/1", data={"token": tokens[0], "text": "wonderful"})
    assert sent.json()["reviews"] == ["wonderful"]


def test_a_review_is_seen_by_the_next_visitor(shop):
    """The write purges the book's page."""
    ann = visit(shop, "ann")
    assert [visit(shop).get("/api/books/1").json()["reviews"] for _ in range(2)] == [[], []]
    ann.post("/review/1", data={"token": token_of(ann.get("/review/1")), "text": "good"})
    assert visit(shop).get("/api/books/1").json()["reviews"] == ["good"]


def test_a_price_changes_wherever_it_is_shown(shop):
    """And only the staff may change it."""
    eve, guest = visit(shop, "eve"), visit(shop)
    for path in ("/api/books", "/api/books/1", "/api/books/2"):
        guest.get(path)
    assert guest.patch("/api/books/1", json={"cents": 1}).status_code == 401
    assert is_hit(guest.get("/api/books/2"))
    assert eve.patch("/api/books/1", json={"cents": 950}).json()["cents"] == 950
    assert guest.get("/api/books").json()["books"][0]["cents"] == 950
    assert guest.get("/api/books/1").json()["cents"] == 950
    assert is_hit(guest.get("/api/books/2"))


def test_the_window_is_kept_for_those_without_a_session(shop):
    """By the middleware's rule; a purge by tag reaches it too."""
    guest = visit(shop)
    assert [is_hit(guest.get("/")) for _ in range(2)] == [False, True]
    shop.state.cache.invalidate_tags("books")
    assert not is_hit(guest.get("/"))


def test_a_book_that_is_not_there_is_not_kept(shop):
    """It may come tomorrow."""
    answers = [visit(shop).get("/api/books/99") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [404, 404]


def test_the_dashboard_is_for_the_staff(shop):
    """By the shop's own users [integrations 9]."""
    statuses = [visit(shop, name).get("/cache/").status_code for name in (None, "ann", "eve")]
    assert statuses == [404, 404, 200]


def test_the_statistics_are_by_path_template(shop):
    """One for each endpoint, whatever the numbers in the path."""
    guest = visit(shop)
    for number in (1, 1, 2):
        guest.get(f"/api/books/{number}")
    counted = shop.state.cache.stats().routes["GET /api/books/{number}"]
    assert (counted.miss, counted.hit) == (2, 1)


def test_openapi_shows_parameters_and_models_of_the_views(shop):
    """As if nothing were cached."""
    described = visit(shop).get("/openapi.json").json()["paths"]["/api/books"]["get"]
    assert [parameter["name"] for parameter in described["parameters"]] == ["page"]
    content = described["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/BookPage"}


def test_it_is_served_by_workers_that_share_a_store(tmp_path, redis_server):
    """As its first lines say, with two workers on one Redis [integrations 23]."""
    redis_server.ask("FLUSHALL")
    command = (
        "uvicorn",
        "--factory",
        "fastapi_shop.app:create_app",
        "--app-dir",
        str(EXAMPLES),
        "--workers",
        "2",
    )
    settings = {"SHOP_DATABASE": str(tmp_path / "shop.sqlite3"), "SHOP_SECRET": "the same in both"}
    with Running(*command, "--port", "{port}", CACHELAYER_URL=redis_server.url, **settings) as server:
        server.ask("/api/books")
        answers = [server.ask("/api/books") for _ in range(10)]
    assert all("; hit" in response.getheader("cache-status") for response, _ in answers)
    assert len({body for _, body in answers}) == 1
