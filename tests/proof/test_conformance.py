"""The cases of `tests/proof/cases/`, as real HTTP through the reverse proxies under uvicorn and gunicorn."""

import itertools
import time

import pytest

from tests.proof.cases import CASES, targeted
from tests.proof.origin import response
from tests.proof.steps import Case, Step, filled
from tests.proof.wire import Message, ask

numbers = itertools.count(1)

#: Looks after the last one for what the cache does behind a client's back.
PATIENCE = 10.0


class Conversation:
    """One case, in front of one proxy."""

    def __init__(self, proxy, origin, case: Case) -> None:
        self.proxy, self.origin, self.case = proxy, origin, case
        self.path = f"/{proxy.kind}/conformance/{next(numbers)}"
        self.now = time.time()
        self.bodies: dict[int, bytes] = {}
        self.statuses: dict[int, int] = {}
        self.last = 0

    def run(self) -> None:
        """Take all steps."""
        for number, step in enumerate(self.case.steps, 1):
            self._take(number, step)

    def _take(self, number: int, step: Step) -> None:
        path = self.path + step.target
        place = path.partition("?")[0]
        before = len(self.origin.asked(place))
        misunderstood = [response("304 Not Modified", *step.answer_lines, length=False)] if step.anew else []
        self.origin.on(place, *misunderstood, self._answer(number, step))
        lines = [self._filled(line) for line in step.lines]
        got = ask(self.proxy.port, step.method, path, *lines, body=step.body)
        asked = (
            self.origin.wait(place, before + 1, PATIENCE)
            if "behind" in step.source
            else self.origin.asked(place)
        )
        told = f"step {number}: {got}\nthe origin heard: {asked[before:]}"
        heard = asked[before:]
        assert len(heard) == self._expected(step), told
        if step.source == "origin":
            self._note(number, step)
        self._check_answer(number, step, got, told)
        for request in heard[-1:]:
            self._check_request(step, request, told)
        if step.source == "store and behind":
            self._note(number, step)
            self._wait_for_the_new(number, path, step)

    @staticmethod
    def _expected(step: Step) -> int:
        """Return how often the origin is asked."""
        if step.source in ("store", "itself"):
            return 0
        return 2 if step.anew else 1

    def _note(self, number: int, step: Step) -> None:
        self.bodies[number], self.statuses[number] = self._body(number, step), step.answer_status
        self.last = number

    def _wait_for_the_new(self, number: int, path: str, step: Step) -> None:
        """Look until what the origin said behind the client's back is what clients get."""
        if step.answer_status != 200:
            return
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if ask(self.proxy.port, "GET", path, *step.lines).body == self.bodies[number]:
                return
        raise AssertionError("what the origin said behind the client's back did not come")

    def _answer(self, number: int, step: Step) -> bytes:
        lines = [self._filled(line) for line in step.answer_lines]
        body, status = self._body(number, step), step.answer_status
        if step.method == "HEAD" or status in (204, 304):
            sized = (
                []
                if status in (204, 304) or any(map(_is_length, lines))
                else [f"Content-Length: {len(body)}"]
            )
            return response(f"{status} Whatever", *lines, *sized, length=False)
        return response(f"{status} Whatever", *lines, body=body)

    def _body(self, number: int, step: Step) -> bytes:
        return b"answer %d" % number if step.answer_body is None else step.answer_body

    def _filled(self, line: str) -> str:
        return filled(line, self.now, self.path)

    def _check_answer(self, number: int, step: Step, got: Message, told: str) -> None:
        origin = step.source == "origin"
        given = number if origin else step.of or self.last
        if step.source == "itself":
            assert got.status == 504, told
        else:
            assert got.status == (step.status or self.statuses[given]), told
            bodiless = step.method == "HEAD" or got.status in (204, 304)
            expected = self.bodies[given] if step.content is None else step.content
            assert got.body == (b"" if bodiless else expected), told
            assert got.whole, told
        for line in step.got:
            _check_line(got, self._filled(line), told)
        for name in step.ungot:
            assert got.get(name) is None, f"{name}: {told}"
        self._check_age(step, got, told)

    def _check_age(self, step: Step, got: Message, told: str) -> None:
        if step.age is not None:
            least, most = step.age
            assert least <= int(got.get("age") or -1) <= most, told
        if step.source in ("store", "store and behind"):
            # Section 5.1: a cache that answers by itself says how old the answer is.
            assert (got.get("age") or "").isdigit(), told
        status = (got.get("cache-status") or "").rpartition("cachelayer; ")[2]
        assert ("hit" in status) == (step.source in ("store", "store and behind")), told

    def _check_request(self, step: Step, request: Message, told: str) -> None:
        for line in step.sent:
            _check_line(request, self._filled(line), told)
        for name in step.unsent:
            assert request.get(name) is None, f"{name}: {told}"
        if step.source == "confirmed":
            assert request.get("if-none-match") or request.get("if-modified-since"), told


def _is_length(line: str) -> bool:
    return line.lower().startswith("content-length:")


def _check_line(message: Message, line: str, told: str) -> None:
    name, _, value = line.partition(": ")
    found = message.get(name)
    assert found is not None if value == "*" else found == value, f"{line}: {told}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_conformance(proxy, origin, case):
    """The client gets its answer from where the standard says, and the origin hears what it must [http 1-16, 18]."""
    Conversation(proxy, origin, case).run()


@pytest.mark.parametrize("case", targeted.CASES, ids=lambda case: case.name)
def test_conformance_of_a_cache_that_a_field_is_meant_for(targeted_proxy, origin, case):
    """Such a field governs it in place of Cache-Control [http 2]."""
    Conversation(targeted_proxy, origin, case).run()
