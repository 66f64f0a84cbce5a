"""What every test runs under."""

import os

from hypothesis import settings

# No deadlines: a slow machine is no failure. In CI the same examples each time: only a change may fail.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
