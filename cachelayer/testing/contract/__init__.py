"""The contract of every backend, as a test suite: subclass `BackendContract`, and pytest runs it in both colours.

A backend of one's own is tested in ten lines::

    from cachelayer.testing.contract import BackendContract


    class TestMyBackend(BackendContract):
        supports_keys = False  # what it cannot do; see `ContractBase` for these flags

        def make_backend(self):
            return MyBackend(clock=self.clock)

A store with a clock of its own, such as a server, sets `own_clock = True` and `tick` to a second or less: the suite
then sleeps. `make_backend` is called in each test, and again in forked processes where the backend is `shared`; give
it a place that no other test uses, such as `self.unique`. Fixtures are had by an autouse fixture that sets attributes
on `self`. The number in brackets at the end of each docstring is that of the contract's clause.
"""

from cachelayer.testing.contract.atomics import Atomics
from cachelayer.testing.contract.base import ContractBase
from cachelayer.testing.contract.bulk import Bulk
from cachelayer.testing.contract.entries import Entries
from cachelayer.testing.contract.generations import Generations
from cachelayer.testing.contract.keys import Keys
from cachelayer.testing.contract.lifecycle import Lifecycle
from cachelayer.testing.contract.lifetimes import Lifetimes
from cachelayer.testing.contract.locks import Locks
from cachelayer.testing.contract.stats import Stats
from cachelayer.testing.contract.values import Values

__all__ = ["BackendContract", "ContractBase"]


class BackendContract(
    Values, Lifetimes, Entries, Keys, Bulk, Atomics, Generations, Locks, Stats, Lifecycle, ContractBase
):
    """Everything that every backend promises."""
