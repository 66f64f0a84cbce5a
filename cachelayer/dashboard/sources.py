"""Where the figures come from, and where actions go: a cache and its statistics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from cachelayer import stats
from cachelayer.cache import Cache
from cachelayer.context import acting
from cachelayer.dashboard.access import User
from cachelayer.dashboard.actions import Done, Purged, Target, done_of
from cachelayer.dashboard.messages import Refusal
from cachelayer.errors import BackendError, UnsupportedOperationError
from cachelayer.stats.report import Report, RouteDetail

logger = logging.getLogger("cachelayer.dashboard")

#: The window from which the mean time of the origin is taken.
_LATELY: Final = 3600.0
#: Seconds for which a report is shown to all who ask, and how many windows' reports are kept for that.
_FRESH: Final = 0.5
_MOST_WINDOWS: Final = 8


@contextmanager
def acting_as(user: User) -> Generator[None]:
    """Let the log say that what is done in the block was asked for by this user."""
    token = acting.set(user.name)
    try:
        yield
    finally:
        acting.reset(token)


class Source:
    """The figures and the actions of one cache."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        cache.recorder.watch()
        self._lock = threading.Lock()
        self._latest: dict[float, tuple[float, Report]] = {}

    def report(self, window: float) -> Report:
        """Return the report of the last `window` seconds, at most `_FRESH` old, or raise Refusal (503)."""
        # Of many who look at the same time, one has it made; each moment's is made of all routes' history.
        with self._lock:
            made_at, report = self._latest.get(window, (-_FRESH, None))
            if report is None or time.monotonic() - made_at > _FRESH:
                report = self._made(window)
                if len(self._latest) >= _MOST_WINDOWS:
                    self._latest.clear()
                self._latest[window] = time.monotonic(), report
            return report

    def _made(self, window: float) -> Report:
        try:
            return stats.make_report(self.cache, window=window)
        except Exception as error:
            logger.exception("no report could be made")
            raise Refusal(503, "the statistics are not to be had now; the log says why") from error

    def detail(self, label: str) -> RouteDetail:
        """Return the keys and examples of a route, or raise Refusal (503)."""
        try:
            return stats.route_detail(self.cache, label)
        except Exception as error:
            logger.exception("no detail of a route could be made")
            raise Refusal(503, "the statistics are not to be had now; the log says why") from error

    def report_or_none(self, window: float) -> Report | None:
        """Return the report; None where there is none to be had."""
        try:
            return self.report(window)
        except Refusal:
            return None

    def detail_or_none(self, label: str) -> RouteDetail | None:
        """Return the keys and examples of a route; None where there are none to be had."""
        try:
            return self.detail(label)
        except Refusal:
            return None

    def purge(self, target: Target, user: User, *, dry_run: bool) -> Done:
        """Purge, or say what that would do.

        Raises:
            Refusal: with 409: the store cannot do this; with 503: it cannot be reached.
        """
        try:
            with acting_as(user):
                purged = self._purge(target, dry_run=dry_run)
        except UnsupportedOperationError as error:
            raise Refusal(409, str(error)) from error
        except BackendError as error:
            raise Refusal(503, f"the store cannot be reached now: {error}") from error
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        if not dry_run:
            soft = "softly" if target.soft else "hard"
            logger.info("%s purged %r %s: %s entries", user.name, target.words, soft, purged.count)
            self._latest.clear()
        report = self.report_or_none(_LATELY)
        return done_of(target, purged, report, shared=self.cache.backend.shared)

    def _purge(self, target: Target, *, dry_run: bool) -> Purged:
        what = {target.kind: target.value}
        return self.cache.purge(**what, soft=target.soft, dry_run=dry_run)

    def pause(self, label: str, user: User, *, resume: bool) -> None:
        """Pause or resume the caching of a route or function."""
        change = self.cache.resume if resume else self.cache.pause
        try:
            with acting_as(user):
                change(label)
        except BackendError as error:
            raise Refusal(503, str(error)) from error
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        self._latest.clear()
        logger.info("%s %s %r", user.name, "resumed" if resume else "paused", label)
