"""The operations of a store that may fail: each is timed; a failure is counted, and logged or raised."""

from __future__ import annotations

import logging
import time
from typing import Any

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.operate import Operate
from cachelayer.counters import Counter, Timings
from cachelayer.errors import BackendError, CacheLayerError, DecodingError
from cachelayer.flows import Flow

logger = logging.getLogger("cachelayer.flow")


class Operations:
    """Those of one store. Any error counts as a failure: stores raise what they like.

    Args:
        backend: the store.
        raises: failures are raised too, as BackendError.
    """

    def __init__(self, backend: CacheBackend, *, raises: bool) -> None:
        self.backend = backend
        self._raises = raises
        self.errors, self.timings = Counter(), Timings()

    def attempt(self, operation: str, *args: Any) -> Flow[Any]:
        """Do one operation; None where the store failed."""
        began = time.perf_counter()
        try:
            result = yield Operate(self.backend, operation, args)
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self.timings.note((operation, "error", time.perf_counter() - began))
            self.note(operation, error)
            return None
        self.timings.note((operation, "ok", time.perf_counter() - began))
        return result

    def get(self, key: str) -> Flow[dict[str, bytes | None] | None]:
        """Read one key; None where the store failed, which is not the same as a missing key."""
        began = time.perf_counter()
        try:
            held = {key: (yield Operate(self.backend, "get", (key,)))}
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self.timings.note(("get", "error", time.perf_counter() - began))
            self.note("get", error)
            return None
        self.timings.note(("get", "ok", time.perf_counter() - began))
        return held

    def tell(self, operation: str, *args: Any) -> Flow[bool]:
        """Do one operation that returns nothing; whether the store did it."""
        try:
            yield Operate(self.backend, operation, args)
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self.note(operation, error)
            return False
        return True

    def note(self, operation: str, error: Exception) -> None:
        """Take note of a failure in an operation."""
        self.errors.tick()
        if self._raises and not isinstance(error, DecodingError):
            if isinstance(error, CacheLayerError):
                raise error
            raise BackendError(f"{type(self.backend).__name__} failed in {operation}: {error!r}") from error
        if not self.backend.tells_when_away or not isinstance(error, BackendError):
            logger.warning("%s failed in %s: %r", type(self.backend).__name__, operation, error)
