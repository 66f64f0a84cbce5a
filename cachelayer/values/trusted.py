"""Pickle of any class, for bytes that nobody else can have written: of this process, or signed.

See `cachelayer.values.pickled` for all others.
"""

from __future__ import annotations

import pickle
from typing import Any

from cachelayer.errors import DecodingError, EncodingError


def pickle_trusted(value: Any) -> bytes:
    """Return the value as bytes, or raise EncodingError."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        # A class's own __reduce__ may fail in any way.
        raise EncodingError(f"{type(value).__qualname__} cannot be pickled: {error}") from error


def unpickle_trusted(data: bytes) -> Any:
    """Return the value, or raise DecodingError."""
    try:
        return pickle.loads(data)  # noqa: S301 - for trusted bytes, as the name says
    except Exception as error:
        # Such as of a class that an older version of the application had.
        raise DecodingError(f"a pickle that does not come back: {error!r}") from error
