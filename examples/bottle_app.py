"""Bottle: the plain WSGI middleware, rules by path, routes named by what Bottle matched.

To serve it: gunicorn --chdir examples bottle_app:app
"""

from collections.abc import Callable
from typing import Any

import httpx
from bottle import Bottle, request, response

from cachelayer import Cache, Rule
from cachelayer.wsgi import CacheMiddleware

site = Bottle()
cache = Cache()
notes = {"milk": "two bottles"}


def name_route(view: Callable[..., Any]) -> Callable[..., Any]:
    """Be a plugin of Bottle's: tell the cache which route a request has matched, which it is counted under."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        request.environ["cachelayer.route"] = request.route.rule
        return view(*args, **kwargs)

    return wrapper


site.install(name_route)


@site.get("/notes/<name>")
def show_note(name: str) -> str:
    """Show a note; the rule below says for how long, and its tag what removes it."""
    return notes[name]


@site.get("/list")
def list_notes() -> str:
    """List the notes: the page says itself that everybody may keep it."""
    response.set_header("Cache-Control", "public, max-age=60")
    cache.tag("list")
    return ", ".join(notes)


@site.put("/notes/<name>")
def write_note(name: str) -> str:
    """Change a note, and remove the pages that show it."""
    notes[name] = request.query.text
    cache.invalidate_tags(f"note:{name}", "list")
    return "changed"


app: Any = CacheMiddleware(
    site, cache=cache, rules=[Rule(path="/notes/{name}", ttl="5m", tags=["note:{name}"])]
)


def main() -> None:
    """Ask for pages twice, change one, and ask again."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://notes.test") as client:
        for path in ("/notes/milk", "/notes/milk", "/list", "/list"):
            answer = client.get(path)
            print(answer.text, "|", answer.headers["cache-status"])
        client.put("/notes/milk", params={"text": "three bottles"})
        print(client.get("/notes/milk").text)
    for label, one in cache.stats().routes.items():
        print(f"{label} | hit {one.hit} | miss {one.miss} | bypass {one.bypass}")


if __name__ == "__main__":
    main()
