"""Falcon: the plain WSGI middleware, and a component that names the route of each request.

To serve it: gunicorn --chdir examples falcon_app:app
"""

import falcon
from falcon import testing

from cachelayer import Cache, Rule
from cachelayer.wsgi import CacheMiddleware

cache = Cache()
notes = {"milk": "two bottles"}


class NamedRoutes:
    """Tells the cache which route a request has matched; its pages are counted under that."""

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, str]
    ) -> None:
        """Be called by Falcon once it has found the resource."""
        req.env["cachelayer.route"] = req.uri_template


class Note:
    """One note."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Show it; the rule below says for how long."""
        resp.media = {"note": notes[name]}

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Change it. Pages of this URL are removed by themselves: RFC 9111, section 4.4."""
        notes[name] = req.get_media()["text"]
        resp.status = falcon.HTTP_NO_CONTENT


site = falcon.App(middleware=[NamedRoutes()])
site.add_route("/notes/{name}", Note())
app = CacheMiddleware(site, cache=cache, rules=[Rule(path="/notes/{name}", ttl="5m")])


def main() -> None:
    """Ask for a page twice, change it, and ask again."""
    client = testing.TestClient(app)
    for _ in range(2):
        answer = client.simulate_get("/notes/milk")
        print(answer.json["note"], "|", answer.headers["cache-status"])
    client.simulate_put("/notes/milk", json={"text": "three bottles"})
    print(client.simulate_get("/notes/milk").json["note"])
    for label, one in cache.stats().routes.items():
        print(f"{label} | hit {one.hit} | miss {one.miss} | bypass {one.bypass}")


if __name__ == "__main__":
    main()
