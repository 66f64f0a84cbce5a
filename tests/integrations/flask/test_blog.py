"""The example blog, as its visitors see it: what is shared, what is nobody else's, and what a write makes obsolete."""

import re
import sqlite3

import pytest

from cachelayer.testing import MinimalBackend
from examples.flask_blog import cache, create_app


class Shared(MinimalBackend):
    """A store that other processes see."""

    shared = True


@pytest.fixture(params=["memory", "bytes"])
def app(request, tmp_path):
    """The application, over either kind of store."""
    backend = "memory://" if request.param == "memory" else Shared()
    return create_app(
        DATABASE=str(tmp_path / "blog.sqlite"),
        CACHELAYER_BACKEND=backend,
        SECRET_KEY="a test's, and long enough",
    )


def token_on(client, path):
    """Return the token of the form on a page."""
    return re.search(r'name="token" value="(\w+)"', client.get(path).text)[1]


def log_in(app, name):
    """Return a client that has logged in."""
    client = app.test_client()
    form = {"name": name, "password": f"{name}'s secret", "token": token_on(client, "/login")}
    assert client.post("/login", data=form).status_code == 302
    return client


def status(response):
    """Return what Cache-Status says, without the lifetime."""
    return response.headers["cache-status"].partition("; ttl")[0]


def edit(app, client, post, **form):
    """Change a post by its form."""
    path = f"/posts/{post}/edit"
    return client.post(path, data={**form, "token": token_on(client, path)})


def test_a_post_is_one_page_for_all(app):
    """Strangers and members, until it is changed [integrations 10]."""
    ann = log_in(app, "ann")
    pages = [client.get("/posts/2") for client in (ann, log_in(app, "bo"), app.test_client())]
    assert [status(page) for page in pages][1:] == ["cachelayer; hit"] * 2
    assert edit(app, ann, 2, title="Another title", body="x", published="on").status_code == 302
    after = app.test_client().get("/posts/2")
    assert ("Another title" in after.text, status(after)) == (True, "cachelayer; fwd=uri-miss; stored")


def test_a_page_of_ones_own_goes_to_nobody_else(app):
    """Cached for each user; login comes first [integrations 10]."""
    ann, bo = log_in(app, "ann"), log_in(app, "bo")
    for _ in range(2):
        for client, own, other in ((ann, "ann", "bo"), (bo, "bo", "ann")):
            page = client.get("/mine").text
            assert (f"Posts of {own}" in page, f"Posts of {other}" in page) == (True, False)
    assert status(ann.get("/mine")) == "cachelayer; hit"
    assert app.test_client().get("/mine").status_code == 302
    assert cache_stats(app).routes["GET /mine"].hit == 3


def cache_stats(app):
    """Return what the application's cache counted."""
    with app.app_context():
        return cache.stats()


def test_the_index_greets_its_visitor_and_shares_its_list(app):
    """The page is not stored, the fragment in it is; the form's token is each visitor's own [integrations 10]."""
    ann, bo = log_in(app, "ann"), log_in(app, "bo")
    pages = [client.get("/").text for client in (ann, bo, app.test_client())]
    assert ["Hello ann" in page for page in pages] == [True, False, False]
    tokens = [re.search(r'value="(\w{64})"', page) for page in pages]
    assert (tokens[0][1] != tokens[1][1], tokens[2]) == (True, None)
    assert all("Post 12" in page for page in pages)
    counted = cache_stats(app)
    assert (counted.functions["fragment:posts"].hit, counted.routes["GET /"].hit) == (2, 0)


def test_a_form_that_is_not_ours_is_refused(app):
    """No token, or another visitor's [integrations 10]."""
    ann = log_in(app, "ann")
    others = token_on(log_in(app, "bo"), "/new")
    for token in ({}, {"token": others}):
        assert ann.post("/new", data={"title": "x", "body": "y", **token}).status_code == 400
    form = ann.get("/new")
    assert (form.status_code, "hit" in form.headers["cache-status"]) == (200, False)


def test_the_api_has_pages(app):
    """Each is an entry, whatever else the query says; a cookie makes no difference [integrations 10]."""
    client, ann = app.test_client(), log_in(app, "ann")
    seen, url = [], "/api/posts"
    while url:
        page = client.get(url)
        seen += [post["title"] for post in page.json["posts"]]
        url = page.json["next"]
    assert seen == [f"Post {number}" for number in range(12, 0, -1)]
    for path in ("/api/posts?utm_source=x", "/api/posts?per_page=5&page=2", "/api/posts?page=2&per_page=5"):
        assert status(ann.get(path)) == "cachelayer; hit"


def test_a_write_is_seen_everywhere_at_once(app):
    """In the index, the API, the feed and one's own page [integrations 10]."""
    ann, paths = log_in(app, "ann"), ("/", "/api/posts", "/feed.txt")
    reader = app.test_client()
    for _ in range(2):
        for path in (*paths, "/mine"):
            (ann if path == "/mine" else reader).get(path)
    assert status(reader.get("/feed.txt")) == "cachelayer; hit"
    form = {"title": "The latest", "body": "news", "published": "on", "token": token_on(ann, "/new")}
    assert ann.post("/new", data=form).headers["location"] == "/posts/13"
    assert all("The latest" in reader.get(path).text for path in (*paths, "/posts/13"))
    assert "The latest" in ann.get("/mine").text


def test_a_draft_is_its_authors(app):
    """Although posts are shared: nobody else gets what its author has looked at [integrations 10]."""
    ann = log_in(app, "ann")
    form = {"title": "A draft", "body": "secret", "token": token_on(ann, "/new")}
    path = ann.post("/new", data=form).headers["location"]
    assert [("secret" in ann.get(path).text) for _ in range(2)] == [True, True]
    assert [client.get(path).status_code for client in (app.test_client(), log_in(app, "bo"))] == [404, 404]
    assert "A draft (draft)" in ann.get("/mine").text
    assert "A draft" not in app.test_client().get("/").text
    assert edit(app, log_in_token(app, "bo"), 2, title="x", body="y").status_code == 403


def log_in_token(app, name):
    """Return a client that has logged in, and has a token from a form that it may see."""

    class Client:
        def __init__(self):
            self.client = log_in(app, name)

        def get(self, path):
            return self.client.get("/new")

        def post(self, path, data):
            return self.client.post(path, data=data)

    return Client()


def test_a_hit_does_not_ask_the_database_for_the_post(app):
    """What is looked at is who asks, and nothing else [integrations 10]."""
    client = app.test_client()
    client.get("/posts/3")
    with sqlite3.connect(app.config["DATABASE"]) as connection:
        connection.execute("DELETE FROM post WHERE id = 3")
    connection.close()
    assert client.get("/posts/3").status_code == 200
    assert client.get("/posts/99").status_code == 404
    assert log_in(app, "ann").get("/").status_code == 200


def test_without_the_right_password_nobody_gets_in(app):
    """And a title is needed [integrations 10]."""
    client = app.test_client()
    form = {"name": "ann", "password": "no", "token": token_on(client, "/login")}
    assert "Nobody has this name" in client.post("/login", data=form).text
    ann = log_in(app, "ann")
    assert (
        ann.post("/new", data={"title": " ", "body": "", "token": token_on(ann, "/new")}).status_code == 400
    )
    assert ann.post("/logout", data={"token": token_on(ann, "/")}).status_code == 302
    assert ann.get("/mine").status_code == 302
