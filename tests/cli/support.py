"""What tests of the command line share: a store that somebody has used, and a way to run commands in this process."""

from contextlib import contextmanager

from click.testing import CliRunner, Result

from cachelayer import Cache, cached
from cachelayer.cli import make_group
from cachelayer.dashboard import Bearer, Dashboard
from cachelayer.demo.serving import listen, serving
from cachelayer.wsgi import CacheMiddleware

VIEW, PURGE = "token of those who view", "token of those who purge"
PAGE = "http://example.org/pages/1"
#: What would name another store, and proxies for requests to this host.
_CLEAN = dict.fromkeys(
    ["CACHELAYER_URL", "CACHELAYER_API", "CACHELAYER_TOKEN", "CACHELAYER_DISABLED", "FORCE_COLOR"]
)


def ask(*arguments: str, answer: str | None = None, **environment: str) -> Result:
    """Run a command line, and let no error through but the end of the command."""
    environment = {**_CLEAN, "NO_PROXY": "*", **environment}
    result = CliRunner().invoke(
        make_group(), arguments, input=answer, env=environment, prog_name="cachelayer"
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def visit(site, path):
    """Ask for a page, and return its body."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    environ |= {"SERVER_NAME": "example.org", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    return b"".join(site(environ, lambda *head: None))


def pages(environ, start_response):
    """Serve pages that are fresh for ten minutes, and served stale for one."""
    environ["cachelayer.route"] = "/pages/{id}"
    said = "max-age=600, stale-while-revalidate=60"
    start_response("200 OK", [("Cache-Control", said), ("Content-Type", "text/plain")])
    return [b"the page's own text"]


def used(cache: Cache) -> Cache:
    """Use a cache: `double` has 6 hits, 2 misses, and the tag "numbers"; a page is stored, and then a hit."""

    @cached(cache=cache, ttl=600, name="double", tags=["numbers"])
    def double(number: int) -> dict[str, int]:
        return {"double": 2 * number}

    for number in (1, 1, 1, 1, 2, 2, 2, 2):
        double(number)
    site = CacheMiddleware(pages, cache=cache)
    visit(site, "/pages/1")
    visit(site, "/pages/1")
    return cache


@contextmanager
def dashboard(cache: Cache):
    """Serve a cache's dashboard; gives its address. What is counted from then on is in its history."""
    board = Dashboard(cache, auth=Bearer(view={"eve": VIEW}, purge={"alice": PURGE}))
    board.source  # noqa: B018 - history begins with it
    with listen(0) as here, serving(board.asgi_app, here) as url:
        yield url
