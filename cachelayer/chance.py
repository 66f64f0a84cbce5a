"""Random numbers that spread lifetimes and retries, and leave alone those of a program that seeds `random`."""

from __future__ import annotations

import os
import random

_own = random.Random()  # noqa: S311 - keeps no secret

#: As those of `random`.
draw, uniform = _own.random, _own.uniform

# Else all workers of a server would try again at the same moment.
os.register_at_fork(after_in_child=_own.seed)
