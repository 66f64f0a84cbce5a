"""What tests of code that caches need: a fake clock, backends that misbehave, and the contract of every backend.

To test a backend of your own, subclass `cachelayer.testing.contract.BackendContract`, which needs pytest.
"""

import sys

from cachelayer.testing.clock import FakeClock
from cachelayer.testing.doubles import FailingBackend, SlowBackend
from cachelayer.testing.minimal import MinimalBackend
from cachelayer.testing.wrapped import WrappedBackend

__all__ = ["FailingBackend", "FakeClock", "MinimalBackend", "SlowBackend", "WrappedBackend"]

if "pytest" in sys.modules:
    # So that the contract's assertions show the values they compare, as those of the user's own tests do.
    sys.modules["pytest"].register_assert_rewrite("cachelayer.testing.contract")
