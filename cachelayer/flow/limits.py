"""How long one caller waits for a computation, and what it gets at the end of that."""

from __future__ import annotations

import math
import time

from cachelayer.errors import ComputationTimeoutError
from cachelayer.flow.lookups import Policy, Result
from cachelayer.outcomes import Outcome


class Limit:
    """How long one caller waits, and what it gets then: `spare`, or an error.

    Attributes:
        seconds: the limit from the beginning; None where there is none.
    """

    def __init__(self, policy: Policy, spare: Result | None) -> None:
        self._label, self._spare = policy.label, spare
        soft = None if spare is None else policy.freshness.soft_timeout
        self.seconds = least(soft, policy.freshness.hard_timeout)
        self._name = "soft timeout" if self.seconds == soft else "hard timeout"
        self._end = math.inf if self.seconds is None else time.monotonic() + self.seconds

    def left(self) -> float | None:
        """Return how many seconds are left; None where there is no limit."""
        return None if self.seconds is None else max(self._end - time.monotonic(), 0.0)

    def result(self) -> Result:
        """Return what the caller gets at the end of its patience."""
        if self._spare is not None:
            return self._spare.ending(Outcome.STALE_HIT, reason=self._name)
        error = ComputationTimeoutError(
            f"{self._label} took longer than its hard_timeout of {self.seconds:g} s: it goes on"
        )
        return Result(Outcome.ERROR, error=error, seconds=self.seconds or 0.0)


def least(*seconds: float | None) -> float | None:
    """Return the least of those that are limits at all; None where none is."""
    return min((each for each in seconds if each is not None), default=None)
