"""What all workers have written down, as one reader sees it."""

from __future__ import annotations

import logging
import math

import msgspec

from cachelayer.stats.pages import HOURS, MINUTES, TENS, Batch, Counts, Head, Resolution, Totals, WorkerPage
from cachelayer.stats.recorder import Recorder
from cachelayer.stats.sharing import HEAD

logger = logging.getLogger("cachelayer.stats")

#: Windows up to so many seconds are shown by minutes, and by ten minutes.
_BY_MINUTES, _BY_TENS = 3 * 3600.0, 2 * 86_400.0


class Window(msgspec.Struct, frozen=True):
    """A time, in steps, and the one before it.

    Attributes:
        resolution: how long its steps are.
        starts: when each begins, the last one being open.
        before: the same of the window before it.
        end: epoch seconds.
    """

    resolution: Resolution
    starts: range
    before: range
    end: float

    @classmethod
    def ending(cls, end: float, seconds: float) -> Window:
        """Return the window of so many seconds that ends then, in steps that suit it."""
        seconds = min(seconds, float(HOURS.kept))
        resolution = MINUTES if seconds <= _BY_MINUTES else TENS if seconds <= _BY_TENS else HOURS
        step, last = resolution.step, resolution.step_of(end)
        count = max(1, math.ceil(seconds / step))
        first = last - (count - 1) * step
        return cls(resolution, range(first, last + step, step), range(first - count * step, first, step), end)

    @property
    def start(self) -> float:
        """When it begins."""
        return float(self.starts[0])


class History:
    """The pages of all workers, read at one moment; where the store cannot be asked, this worker's own alone.

    Attributes:
        pages: the workers' own, this one's as it is now; those too that have ended, and were not taken over yet.
        living: the pages of those who are there.
        total: everything since the beginning.
        since: when that was.
        is_degraded: whether the store could not be asked.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._sharing = recorder.sharing
        self.is_degraded = bool(recorder.trouble)
        self._head: Head | None = None
        mine = recorder.page()
        self.pages: list[WorkerPage] = [mine]
        self.total = Totals()
        if not self.is_degraded:
            self._read(mine)
        if self._head is None:
            _add(self.total, mine.batches)
        now = recorder.clock()
        self.living = [
            page
            for page in self.pages
            if page is mine or not (page.ended or now - page.seen > self._sharing.silence)
        ]
        self.since = recorder.started if self._head is None else self._head.since

    def _read(self, mine: WorkerPage) -> None:
        try:
            head = self._sharing.shelf.get(HEAD, Head)
            if head is None:
                return
            others = self._sharing.pages(head)
            others.pop(mine.id, None)
            pages = [mine, *others.values()]
            self.total = self._sharing.total(pages)
            self._head, self.pages = head, pages
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        logger.warning("the report is of this process alone, since the statistics cannot be read: %r", error)
        self.is_degraded = True

    def steps(self, window: Window) -> dict[int, Counts]:
        """Return what was counted in each step of a window and of the one before it; empty ones are left out."""
        first, last = window.before[0], window.starts[-1]
        if self._head is not None:
            try:
                return self._steps(self._head, window.resolution, first, last)
            except Exception as error:  # noqa: BLE001 - stores raise what they like
                self._give_up(error)
        return self._of_batches(self.pages[0].batches, window.resolution)

    def _steps(self, head: Head, resolution: Resolution, first: int, last: int) -> dict[int, Counts]:
        end = last + resolution.step
        if resolution is MINUTES:
            return self._minutes(first, end)
        # What is not rolled up yet: made from the minutes, as far back as a step begins in which some of it is.
        rolled = min(max(head.rolled, first), end)
        since = TENS.step_of(rolled) if resolution is TENS else HOURS.step_of(rolled)
        starts = range(resolution.page_of(first), since, resolution.page)
        steps = {
            start: each for start, each in self._sharing.steps(resolution, starts).items() if start < since
        }
        if resolution is HOURS:
            tens = self._sharing.steps(TENS, range(TENS.page_of(since), rolled, TENS.page))
            parts = {start: each for start, each in tens.items() if since <= start < rolled}
            _gather(steps, parts, resolution)
        _gather(steps, self._minutes(rolled, end), resolution)
        late = [
            batch
            for page in self.pages
            for batch in page.batches
            if batch.number > head.workers.get(page.id, 0) and first <= MINUTES.page_of(batch.minute) < rolled
        ]
        _gather(steps, self._of_batches(late, MINUTES), resolution)
        return steps

    def _minutes(self, first: int, end: int) -> dict[int, Counts]:
        starts = range(MINUTES.page_of(first), end, MINUTES.page)
        found = self._sharing.minutes(starts, self.pages)
        return {minute: counts for minute, counts in found.items() if first <= minute < end}

    @staticmethod
    def _of_batches(batches: list[Batch], resolution: Resolution) -> dict[int, Counts]:
        steps: dict[int, Counts] = {}
        for batch in batches:
            steps.setdefault(resolution.step_of(batch.minute), Counts()).add(batch.counts)
        return steps


def _gather(steps: dict[int, Counts], parts: dict[int, Counts], resolution: Resolution) -> None:
    """Add finer steps to coarser ones."""
    for start, counts in parts.items():
        steps.setdefault(resolution.step_of(start), Counts()).add(counts)


def _add(total: Totals, batches: list[Batch]) -> None:
    for batch in batches:
        total.counts.add(batch.counts)
        total.events.add(batch.events)
