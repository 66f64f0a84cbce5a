"""The pages of the blog. Each view says who may share its page; each write says what it makes obsolete."""

from typing import Any

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from .accounts import login_required
from .caching import cache
from .database import change, rows

posts = Blueprint("posts", __name__)

PER_PAGE = 5


@cache.cached(ttl="10m", tags=["posts"])
def page_of(page: int, per_page: int = PER_PAGE) -> dict[str, Any]:
    """Return one page of what is published, the latest first. The index and the API share it."""
    found = rows(
        "SELECT post.id, title, name FROM post JOIN user ON user.id = author WHERE published "
        "ORDER BY post.id DESC LIMIT ? OFFSET ?",
        [per_page + 1, (page - 1) * per_page],
    )
    return {"posts": found[:per_page], "page": page, "more": len(found) > per_page}


@posts.get("/")
def index() -> str:
    """List the posts. The page greets its visitor, so it is nobody else's; the list in it is a cached fragment."""
    return render_template("index.html", page=wanted_page(), page_of=page_of)


@posts.get("/posts/<int:post>")
@cache.cached_view(ttl="10m", tags=["post:{post}"], shared=True)
def show(post: int) -> str:
    """Show a post: the same page for all, also for those who are logged in."""
    return render_template("post.html", post=load(post))


@posts.get("/mine")
@login_required
@cache.cached_view(ttl="1m", key=lambda: g.user["id"])
def mine() -> str:
    """List one's own posts, drafts too: a page for each user, which nobody else gets."""
    cache.tag(f"author:{g.user['id']}")
    return render_template(
        "mine.html", posts=rows("SELECT id, title, published FROM post WHERE author = ?", [g.user["id"]])
    )


@posts.get("/feed.txt")
def feed() -> Response:
    """List the titles, for everybody and every cache: the middleware around the application keeps it."""
    cache.tag("posts")
    response = Response("\n".join(post["title"] for post in page_of(1)["posts"]), mimetype="text/plain")
    response.cache_control.public = True
    response.cache_control.max_age = 300
    return response


@posts.route("/new", methods=["GET", "POST"])
@login_required
def new() -> AnyResponse | str:
    """Write a post. Its form has a token, so the page is not cached."""
    if request.method == "GET":
        return render_template("edit.html", post={"title": "", "body": "", "published": 1})
    made = change(
        "INSERT INTO post (author, title, body, published) VALUES (?, ?, ?, ?)", [g.user["id"], *written()]
    )
    forget(made)
    return redirect(url_for("posts.show", post=made))


@posts.route("/posts/<int:post>/edit", methods=["GET", "POST"])
@login_required
def edit(post: int) -> AnyResponse | str:
    """Change a post of one's own."""
    found = load(post)
    if found["author"] != g.user["id"]:
        abort(403)
    if request.method == "GET":
        return render_template("edit.html", post=found)
    change("UPDATE post SET title = ?, body = ?, published = ? WHERE id = ?", [*written(), post])
    forget(post)
    return redirect(url_for("posts.show", post=post))


def load(post: int) -> dict[str, Any]:
    """Return a post that the visitor may see."""
    found = rows("SELECT post.*, name FROM post JOIN user ON user.id = author WHERE post.id = ?", [post])
    if not found or not (found[0]["published"] or (g.user and g.user["id"] == found[0]["author"])):
        abort(404)
    if not found[0]["published"]:
        # A draft: its author's alone, whoever may share the page otherwise.
        cache.no_store()
    return found[0]


def written() -> tuple[str, str, int]:
    """Return title, body and whether to publish, from the form."""
    form = request.form
    if not form["title"].strip():
        abort(400, "A post needs a title.")
    return form["title"], form["body"], int("published" in form)


def forget(post: int) -> None:
    """Remove what a change makes obsolete, wherever it is: pages, fragments and functions' results."""
    cache.invalidate_tags("posts", f"post:{post}", f"author:{g.user['id']}")


def wanted_page() -> int:
    """Return the number of the page that is asked for."""
    return max(request.args.get("page", 1, type=int), 1)
