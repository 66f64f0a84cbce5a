"""Where the time comes from: a callable that returns epoch seconds, so that tests can pass their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], float]

system_clock: Final[Clock] = time.time
