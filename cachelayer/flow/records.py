"""What the flow gives a storage to keep, asks of it, and finds there."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from cachelayer.backends.table_entries import NEVER


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A value that is to be stored.

    Attributes:
        key: where.
        value: what.
        fresh_until: epoch seconds of the soft expiry.
        expires: epoch seconds of the hard expiry.
        created: epoch seconds of the computation's end.
        cost: seconds that it took.
        tags: names of its tags.
        label: its route.
    """

    key: str
    value: Any
    fresh_until: float
    expires: float
    created: float
    cost: float = 0.0
    tags: tuple[str, ...] = ()
    label: str = ""


class Record(Protocol):
    """A stored value as it was found."""

    @property
    def fresh_until(self) -> float:
        """Epoch seconds of the soft expiry."""
        ...

    @property
    def expires(self) -> float:
        """Epoch seconds of the hard expiry."""
        ...

    @property
    def created(self) -> float:
        """Epoch seconds of the computation's end."""
        ...

    @property
    def cost(self) -> float:
        """Seconds that the computation took."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the value, before compression, and of what is kept beside it."""
        ...

    @property
    def softened(self) -> bool:
        """Whether a tag of it was invalidated softly: it is stale, and not gone."""
        ...

    def value(self) -> Any:
        """Return the value, the caller's own where it could be changed; raises DecodingError."""
        ...


class Query(Protocol):
    """What is asked of a bulk read, for each key."""

    @property
    def key(self) -> str:
        """Where."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags it is expected to have."""
        ...

    @property
    def policy(self) -> Any:
        """How it is kept: by which codec."""
        ...


def stored_of(record: Record) -> tuple[int, float | None]:
    """Return the bytes of a record that was just stored, and the seconds for which it is fresh; None for ever."""
    ttl = None if record.fresh_until == NEVER else record.fresh_until - record.created
    return record.size, ttl
