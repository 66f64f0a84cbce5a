"""What tests of code that caches need: isolation, a fake clock, backends that misbehave, every backend's contract.

`isolated_cache` and `caching_disabled` are for any test framework; `cachelayer.testing.plugin` has the same as
fixtures for pytest. To test a backend of your own, subclass `cachelayer.testing.contract.BackendContract`, which
needs pytest.
"""

import sys

from cachelayer.testing.clock import FakeClock
from cachelayer.testing.doubles import FailingBackend, SlowBackend
from cachelayer.testing.isolation import caching_disabled, isolated_cache
from cachelayer.testing.minimal import MinimalBackend
from cachelayer.testing.wrapped import WrappedBackend

__all__ = [
    "FailingBackend",
    "FakeClock",
    "MinimalBackend",
    "SlowBackend",
    "WrappedBackend",
    "caching_disabled",
    "isolated_cache",
]

if "pytest" in sys.modules:
    # So that the contract's assertions show the values they compare, as those of the user's own tests do.
    sys.modules["pytest"].register_assert_rewrite("cachelayer.testing.contract")
