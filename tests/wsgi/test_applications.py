"""What may stand behind the middleware as an application, as frameworks make them."""

import functools

import pytest

from tests.wsgi.support import FRESH, Server, environ


class AnswersAsItIsMade:
    """A response that the server makes by calling the class: PEP 3333 has such an application as an example."""

    def __init__(self, environ, start_response):
        self._start_response = start_response

    def __iter__(self):
        self._start_response("200 OK", [("Content-Type", "text/plain"), FRESH])
        yield b"ab"


def of_view(view):
    """Make an application of a view, as decorators of frameworks do: the view stays what is wrapped."""

    @functools.wraps(view)
    def app(*args):
        _, start_response = args
        start_response("200 OK", [("Content-Type", "text/plain"), FRESH])
        return [view(*args[:-1])]

    return app


@of_view
def decorated(request):
    """Answer a request, knowing nothing of WSGI."""
    return b"ab"


def by_keyword(environ, start_response):
    """Name the argument that is seldom given, which servers' start_response take by name too."""
    start_response("200 OK", [("Content-Type", "text/plain"), FRESH], exc_info=None)
    return [b"ab"]


@pytest.mark.parametrize("app", [AnswersAsItIsMade, decorated, by_keyword])
def test_every_kind_of_application_is_cached(app):
    """The middleware takes it, and the hit is what the miss was."""
    server = Server(app, validate=False)
    assert [server.send(environ()) for _ in range(2)] == [b"ab", b"ab"]
    assert server.outcomes == {"miss": 1, "hit": 1}
