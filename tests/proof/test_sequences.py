"""Random conversations through both shells, each answer judged by the model of `tests/proof/model.py`."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cachelayer.flow import background
from tests import shells
from tests.proof.conversations import Conversation, Habits, habits, turns
from tests.proof.model import Answer, Asked
from tests.shells import SHELLS, STORES, Reply, Site, run_async


class InProcess(Conversation):
    """A conversation with a site, on a clock that stands still meanwhile."""

    def __init__(self, shell: str, store: str, habits: Habits) -> None:
        super().__init__(habits)
        self._site = Site(shell, store, self._reply)

    def now(self) -> float:
        """Return the time."""
        return self._site.clock()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._site.clock.advance(seconds)

    def send(self, asked: Asked, lines: list[str]) -> Answer:
        """Send a request, and wait until all has ended that it began."""
        got = self._site.get(asked.target, *lines, method=asked.method)
        assert background.join(20)
        run_async(background.ajoin())
        assert got.error is None
        return Answer(got.status, {name.lower(): got.get(name) or "" for name, _ in got.lines}, got.body)

    def _reply(self, heard: shells.Asked) -> Reply:
        target = f"{heard.path}?{heard.query}" if heard.query else heard.path
        status, lines, body = self.answer(heard.method, target, heard.headers)
        return Reply(lines, body, status)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(taken=st.lists(turns, min_size=2, max_size=12), habits=habits)
def test_every_answer_is_one_the_standard_allows_and_no_request_is_in_vain(shell, store, taken, habits):
    """Whatever clients ask, origins say, and however long it takes [http 1-16]."""
    conversation = InProcess(shell, store, habits)
    for turn in taken:
        conversation.take(turn)
