"""The whole contract over six methods and the defaults of `CacheBackend`."""

from cachelayer.testing import MinimalBackend
from cachelayer.testing.contract import BackendContract


class TestMinimalBackend(BackendContract):
    supports_keys = supports_entries = supports_touch = supports_incr = False
    hides_bookkeeping = False
    raises_when_closed = False

    def make_backend(self) -> MinimalBackend:
        """Return the backend under test."""
        return MinimalBackend(clock=self.clock)
