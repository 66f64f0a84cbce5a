"""What views of FastAPI return beside responses, as bytes."""

from __future__ import annotations

import logging
import warnings
from typing import Any, cast

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values.codecs import ValueCodec
from cachelayer.values.numbers import LOCAL
from cachelayer.values.trusted import pickle_trusted, unpickle_trusted

logger = logging.getLogger("cachelayer.http")


class ViewValues:
    """Encodes and decodes what one view returns.

    Args:
        label: how warnings call the view.
        annotation: of what it returns, or None.
    """

    def __init__(self, label: str, annotation: Any) -> None:
        self._label = label
        self._codec = ValueCodec(lambda: annotation)
        self._warned = False

    def encode(self, value: Any, *, local: bool) -> tuple[int, bytes] | None:
        """Return codec and bytes; None, with one warning, where the value cannot be stored.

        Args:
            value: what the view returned.
            local: it is read in this process alone.
        """
        try:
            return self._codec.encode(value)
        except EncodingError as error:
            kept = _pickled(value) if local else None
            if kept is None:
                self._warn(error)
            return kept

    def decode(self, codec: int, data: bytes, *, local: bool) -> Any:
        """Return the value, or raise DecodingError."""
        if codec != LOCAL:
            return self._codec.decode(codec, data)
        if not local:
            raise DecodingError("it means something in another process only")
        return unpickle_trusted(data)  # made by `encode`, and never out of this process

    def _warn(self, error: EncodingError) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"what {self._label} returned cannot be stored: {error}. Return a Response, plain values, or an instance "
            "of the class that the return annotation names",
            RuntimeWarning,
            stacklevel=2,
        )


def _pickled(value: object) -> tuple[int, bytes] | None:
    """Return a value for this process alone; None where it cannot be kept."""
    if _is_of_session(value):
        return None
    try:
        return LOCAL, pickle_trusted(value)
    except EncodingError as error:
        logger.debug("a value cannot be copied: %s", error)
        return None


def _is_of_session(value: object) -> bool:
    """Whether it belongs to a session of SQLAlchemy's: in another request it could not load what it refers to."""
    items = cast("list[object]", value) if isinstance(value, (list, tuple)) else [value]
    return any(hasattr(item, "_sa_instance_state") for item in items)
