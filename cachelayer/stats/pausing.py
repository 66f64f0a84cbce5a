"""Routes and functions whose caching is paused: written down beside the statistics, so that all workers know of it."""

from __future__ import annotations

from typing import Final

import msgspec

from cachelayer.errors import BackendError, ConfigurationError
from cachelayer.stats.shelf import Shelf

_NAME: Final = "paused"
_KEPT: Final = 366 * 86_400.0
_TRIES: Final = 8
#: Labels that can be paused at a time: as many as are counted apart.
MOST_PAUSED: Final = 500


class Paused(msgspec.Struct):
    """The page: labels, in the order in which they were paused."""

    labels: list[str] = []


class Pauses:
    """What is paused, as it is written down."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def read(self) -> frozenset[str]:
        """Return the labels that are paused."""
        page = self._shelf.get(_NAME, Paused)
        return frozenset() if page is None else frozenset(page.labels)

    def change(self, label: str, *, paused: bool) -> frozenset[str]:
        """Pause or resume a label, and return all that are paused then.

        Raises:
            BackendError: the store does not take it.
            ConfigurationError: too many are paused already.
        """
        for _ in range(_TRIES):
            page, before = self._shelf.get_raw(_NAME, Paused)
            labels = [each for each in (page or Paused()).labels if each != label]
            if paused:
                if len(labels) >= MOST_PAUSED:
                    raise ConfigurationError(f"{MOST_PAUSED} labels are paused already: resume some first")
                labels.append(label)
            if self._shelf.exchange(_NAME, Paused(labels), before, _KEPT):
                return frozenset(labels)
        raise BackendError(
            f"{label!r} could not be {'paused' if paused else 'resumed'}: too many others do so too"
        )
