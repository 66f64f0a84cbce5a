"""How workers add up what they count, in a store that forgets, fails, and answers late.

    head        who counts, and of each the number of its last batch that was taken over
    w:ID        a worker's own page, which it alone writes: its batches that were not taken over yet
    m:T t:T h:T history: minutes, ten minutes, hours
    total       everything since the beginning

A worker numbers its batches, and leaves each on its page until the head says that it was taken over. Whoever has the
turn takes over: it adds the batches to the pages of history and to the total, which know the last number that they
have of each worker, and only then says so in the head. So each batch counts once, wherever that is interrupted, and
however often a write is repeated whose answer was lost. Readers do the same sum: pages, and what they lack.
Coarser steps are never added to: they are made from the finer ones, as often as one likes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from cachelayer.clock import Clock
from cachelayer.errors import BackendError
from cachelayer.stats.pages import (
    HOURS,
    MINUTES,
    TENS,
    Batch,
    Counts,
    Head,
    Page,
    Resolution,
    Totals,
    WorkerPage,
)
from cachelayer.stats.shelf import Shelf

logger = logging.getLogger("cachelayer.stats")

P = TypeVar("P")

HEAD: Final = "head"
TOTAL: Final = "total"
#: Seconds that who begins and what adds up is kept without a word from any worker.
_KEPT: Final = 92 * 86_400.0
_PAGE_KEPT: Final = 86_400.0
#: Seconds of silence after which a worker is taken to be gone, at least; and in intervals.
SILENCE: Final = 60.0
_SILENT_INTERVALS: Final = 12
#: Seconds after which a step of ten minutes is rolled up: what belongs to it may come late.
_LATE: Final = 120
_TURN: Final = 30.0
_TRIES: Final = 8
_MOST_GONE: Final = 1000


class LostTurnError(BackendError):
    """Others were faster, again and again."""


class Sharing:
    """One cache's shared statistics, as one worker sees and writes them. Each call asks the store.

    Args:
        shelf: where the pages are.
        clock: returns epoch seconds.
        interval: seconds between two flushes.
        pace: seconds between two takings-over.
    """

    def __init__(self, shelf: Shelf, clock: Clock, *, interval: float, pace: float) -> None:
        self.shelf, self.interval = shelf, interval
        self._clock, self._pace = clock, pace

    # -- a worker's own page ----------------------------------------------------------------------------------

    def enter(self, worker: str, taken: int) -> Head:
        """Return the head, with the worker in it; `taken` is what it knows of its batches if nobody else does."""
        head = self.shelf.get(HEAD, Head)
        if head is not None and worker in head.workers:
            return head

        def enter(head: Head) -> None:
            former = head.gone.pop(worker, None)
            head.workers.setdefault(worker, taken if former is None else former[0])

        return self._change_head(enter)

    def write(self, page: WorkerPage) -> None:
        """Write a worker's page; raises BackendError where the store does not take it."""
        if not self.shelf.put(_own(page.id), page, _PAGE_KEPT):
            raise BackendError("the store refused a page of statistics")

    # -- taking over ------------------------------------------------------------------------------------------

    def is_due(self, head: Head) -> bool:
        """Whether it is time to take over."""
        return not 0 <= self._clock() - head.taken_over < self._pace

    def take_over(self) -> bool:
        """Take over what all workers have counted, if it is our turn; whether it was."""
        turn = self.shelf.take_turn(_TURN)
        if turn is None:
            return False
        try:
            self._take_over()
        finally:
            self.shelf.end_turn(turn)
        return True

    def _take_over(self) -> None:
        head = self.shelf.get(HEAD, Head)
        if head is None:
            return
        now = self._clock()
        pages = self.pages(head)
        lacking = {
            worker: [batch for batch in page.batches if batch.number > head.workers[worker]]
            for worker, page in pages.items()
        }
        changed = self._add_to_history(lacking)
        self._add_to_total(lacking)
        rolled = self._roll_up(head, changed, now)
        gone = [worker for worker, page in pages.items() if self._is_gone(page, now)]
        ended = {worker for worker in gone if pages[worker].ended}
        # Who has a place and no page is about to write its first; or its page was lost, and it too.
        absent = {worker: head.absent.get(worker, now) for worker in head.workers if worker not in pages}
        gone += [worker for worker, since in absent.items() if now - since > self.silence]

        def note(head: Head) -> None:
            for worker, batches in lacking.items():
                if batches and worker in head.workers:
                    head.workers[worker] = max(head.workers[worker], batches[-1].number)
            for worker in gone:
                number = head.workers.pop(worker, None)
                if number is not None and worker not in ended:
                    head.gone[worker] = (number, now)
            head.absent = {worker: at for worker, at in absent.items() if worker in head.workers}
            head.gone = dict(sorted(head.gone.items(), key=lambda item: item[1][1])[-_MOST_GONE:])
            head.taken_over, head.rolled = now, max(head.rolled, rolled)

        self._change_head(note)
        for worker in gone:
            if worker in pages:
                self.shelf.delete(_own(worker))

    def _is_gone(self, page: WorkerPage, now: float) -> bool:
        return page.ended or now - page.seen > self.silence

    @property
    def silence(self) -> float:
        """Seconds without a word after which a worker is taken to be gone."""
        return max(SILENCE, _SILENT_INTERVALS * self.interval)

    def _add_to_history(self, lacking: dict[str, list[Batch]]) -> set[int]:
        """Add batches to the pages of minutes, and return which pages."""
        starts = {MINUTES.page_of(batch.minute) for batches in lacking.values() for batch in batches}
        for start in starts:

            def add(page: Page, start: int = start) -> None:
                for worker, batches in lacking.items():
                    for batch in batches:
                        if MINUTES.page_of(batch.minute) == start and batch.number > page.taken.get(
                            worker, 0
                        ):
                            page.steps.setdefault(batch.minute, Counts()).add(batch.counts)
                            page.taken[worker] = batch.number

            self._change(page_name(MINUTES, start), Page, add, _kept(MINUTES))
        return starts

    def _add_to_total(self, lacking: dict[str, list[Batch]]) -> None:
        if not any(lacking.values()):
            return

        def add(total: Totals) -> None:
            for worker, batches in lacking.items():
                for batch in batches:
                    if batch.number > total.taken.get(worker, 0):
                        total.counts.add(batch.counts)
                        total.events.add(batch.events)
                        total.taken[worker] = batch.number
            # Those who are gone are in the head, for a while.
            total.taken = dict(
                sorted(total.taken.items(), key=lambda item: item[0] in lacking)[-2 * _MOST_GONE :]
            )

        self._change(TOTAL, Totals, add, _KEPT)

    # -- rolling up -------------------------------------------------------------------------------------------

    def _roll_up(self, head: Head, changed: Iterable[int], now: float) -> int:
        """Make the coarser steps of what is over; return up to when that is done."""
        until = MINUTES.page_of(now - _LATE)
        began = max(head.rolled, MINUTES.page_of(now - MINUTES.kept))
        due = {start for start in changed if start < until} | set(range(began, until, MINUTES.page))
        if due:
            pages = self.shelf.get_many([page_name(MINUTES, start) for start in due], Page)
            sums = {
                start: Counts.sum(pages[name].steps.values())
                for start in due
                if (name := page_name(MINUTES, start)) in pages
            }
            self._assign(TENS, sums)
            self._assign(HOURS, self._hours_of(sums))
        return until

    def _hours_of(self, tens: Iterable[int]) -> dict[int, Counts]:
        hours = {HOURS.step_of(start) for start in tens}
        pages = self.shelf.get_many({page_name(TENS, TENS.page_of(hour)) for hour in hours}, Page)
        steps = {start: counts for page in pages.values() for start, counts in page.steps.items()}
        return {
            hour: Counts.sum(counts for start, counts in steps.items() if HOURS.step_of(start) == hour)
            for hour in hours
        }

    def _assign(self, resolution: Resolution, steps: dict[int, Counts]) -> None:
        for start in {resolution.page_of(step) for step in steps}:

            def assign(page: Page, start: int = start) -> None:
                for step, counts in steps.items():
                    if resolution.page_of(step) == start and not counts.is_empty:
                        page.steps[step] = counts

            self._change(page_name(resolution, start), Page, assign, _kept(resolution))

    # -- reading ----------------------------------------------------------------------------------------------

    def pages(self, head: Head) -> dict[str, WorkerPage]:
        """Return the workers' pages."""
        found = self.shelf.get_many(map(_own, head.workers), WorkerPage)
        return {page.id: page for page in found.values() if page.id in head.workers}

    def minutes(self, starts: Iterable[int], pages: Iterable[WorkerPage]) -> dict[int, Counts]:
        """Return the minutes of those pages of history that begin at `starts`, with what they lack of workers'."""
        wanted = set(starts)
        found = self.shelf.get_many([page_name(MINUTES, start) for start in wanted], Page)
        steps: dict[int, Counts] = {}
        taken: dict[int, dict[str, int]] = {}
        for start in wanted:
            page = found.get(page_name(MINUTES, start), Page())
            steps.update(page.steps)
            taken[start] = page.taken
        for worker in pages:
            for batch in worker.batches:
                start = MINUTES.page_of(batch.minute)
                if start in wanted and batch.number > taken[start].get(worker.id, 0):
                    steps.setdefault(batch.minute, Counts()).add(batch.counts)
        return steps

    def steps(self, resolution: Resolution, starts: Iterable[int]) -> dict[int, Counts]:
        """Return the steps of the pages of rolled-up history that begin at `starts`."""
        found = self.shelf.get_many([page_name(resolution, start) for start in starts], Page)
        return {step: counts for page in found.values() for step, counts in page.steps.items()}

    def total(self, pages: Iterable[WorkerPage]) -> Totals:
        """Return the total, with what it lacks of workers'."""
        total = self.shelf.get(TOTAL, Totals) or Totals()
        for worker in pages:
            for batch in worker.batches:
                if batch.number > total.taken.get(worker.id, 0):
                    total.counts.add(batch.counts)
                    total.events.add(batch.events)
        return total

    # -- changing a page --------------------------------------------------------------------------------------

    def _change_head(self, change: Callable[[Head], None]) -> Head:
        return self._change(HEAD, Head, change, _KEPT, self._first_head)

    def _first_head(self) -> Head:
        now = self._clock()
        return Head(since=now, taken_over=now, rolled=MINUTES.page_of(now))

    def _change(
        self,
        name: str,
        kind: type[P],
        change: Callable[[P], None],
        seconds: float,
        first: Callable[[], P] | None = None,
    ) -> P:
        """Change a page, whoever else does at the same time."""
        for _ in range(_TRIES):
            page, before = self.shelf.get_raw(name, kind)
            if page is None:
                page = (first or kind)()
            change(page)
            if self.shelf.exchange(name, page, before, seconds):
                return page
        raise LostTurnError(
            f"the page {name!r} of the statistics was changed by others {_TRIES} times in a row"
        )


def page_name(resolution: Resolution, start: int) -> str:
    """Return the name of the page of history that begins at `start`."""
    return f"{resolution.step}:{start}"


def _own(worker: str) -> str:
    return f"w:{worker}"


def _kept(resolution: Resolution) -> float:
    # As long as a window and the one before it want to see it, and the page is not over before its last step is.
    return float(resolution.kept + resolution.page + 3600)
