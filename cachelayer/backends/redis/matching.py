"""The contract's globs."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable


def matcher(pattern: str | None) -> Callable[[str], object]:
    """Return what tells whether a key matches the glob; None matches all."""
    if pattern is None:
        return lambda key: True
    return re.compile(fnmatch.translate(pattern)).match
