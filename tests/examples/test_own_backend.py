"""The example's store of six methods keeps the whole contract."""

import runpy
from pathlib import Path

from cachelayer import CacheBackend
from cachelayer.testing.contract import BackendContract

SQLiteBackend = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "own_backend.py"))[
    "SQLiteBackend"
]


class TestSQLiteBackend(BackendContract):
    supports_keys = supports_entries = supports_touch = supports_incr = False
    hides_bookkeeping = False
    raises_when_closed = False

    def make_backend(self) -> CacheBackend:
        """Return the backend under test."""
        return SQLiteBackend(clock=self.clock)
