"""The same random conversations as real HTTP, through the reverse proxies under uvicorn and gunicorn.

Time does not pass here: what is old is so by its Age and Date. Left out is what would need time to settle: the moment
for which an origin that has failed is left alone, and what goes on behind a client's back.
"""

import itertools
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proof.conversations import Conversation, Habits, Turn, habits, turns
from tests.proof.model import Answer, Asked
from tests.proof.origin import Connection, Origin, response
from tests.proof.proxies import Proxy
from tests.proof.wire import Message, ask

numbers = itertools.count(1)


class Served(Conversation):
    """A conversation with a reverse proxy."""

    def __init__(self, proxy: Proxy, origin: Origin, habits: Habits) -> None:
        prefix = f"/{proxy.kind}/sequence/{next(numbers)}"
        # gunicorn sends a Date of its own, whatever the application says.
        super().__init__(habits, frozenset({"date"} if proxy.kind == "gunicorn" else ()), prefix)
        self._proxy = proxy
        for path in ("/a", "/b"):
            origin.on(prefix + path, self._reply)

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def wait(self, seconds: float) -> None:
        """Let no time pass."""

    def send(self, asked: Asked, lines: list[str]) -> Answer:
        """Send a request."""
        got = ask(self._proxy.port, asked.method, asked.target, *lines)
        return Answer(got.status, {name.lower(): got.get(name) or "" for name, _ in got.lines}, got.body)

    def _reply(self, request: Message, connection: Connection) -> None:
        headers = {name.lower(): request.get(name) or "" for name, _ in request.lines}
        status, lines, body = self.answer(request.method, request.target, headers)
        sized = request.method != "HEAD" and status not in (204, 304)
        connection.send(response(f"{status} Whatever", *lines, body=body, length=sized))


def _settles(turn: Turn) -> bool:
    return turn.say.status < 500 and "stale-while-revalidate" not in turn.say.fields.get("cache-control", {})


@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)
@given(
    taken=st.lists(turns.filter(_settles), min_size=3, max_size=10),
    habits=habits.filter(lambda one: one.clock),
)
def test_every_answer_over_the_wire_is_one_the_standard_allows(proxy, origin, taken, habits):
    """And no request reaches the origin in vain."""
    conversation = Served(proxy, origin, habits)
    for turn in taken:
        conversation.take(turn)
