"""Libraries that values may be made by: imported where a value needs them, never before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cachelayer.errors import DecodingError, MissingExtraError


def library(name: str, extra: str) -> Any:
    """Return a module that an entry needs.

    Raises:
        DecodingError: it is not installed here, though it was where the entry was written: a miss.
    """
    try:
        return import_module(name)
    except ImportError:
        raise DecodingError(str(MissingExtraError(f"an entry with values of {name}", extra))) from None
