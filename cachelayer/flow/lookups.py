"""What is looked up, how its values are kept, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cachelayer.durations import Duration
from cachelayer.flow.freshness import PLAIN, Freshness
from cachelayer.flow.records import Record
from cachelayer.outcomes import Outcome
from cachelayer.values.codecs import Codec

#: What the store's name of a user's tag has before the tag, after the namespace.
TAG: Final = "tag:"


class Policy(msgspec.Struct, frozen=True):
    """How the results of one origin are kept.

    Attributes:
        label: its route.
        codec: how its values become bytes.
        ttl: seconds, None for ever, or a callable of the result and the arguments that returns either.
        condition: whether to store this result; None stores every one.
        exceptions: classes of exceptions that are cached.
        negative_ttl: seconds that a cached exception lives.
        lock_timeout: seconds to wait for another caller's computation before computing by oneself.
        strict: raise where a value cannot be encoded, rather than warn and return it uncached.
        freshness: how its values age.
        distributed: let one process of all that share the store compute at a time.
        result_tags: called with the result, the arguments and the keyword arguments: the store's names of tags that it
            has beside those of the lookup.
        on_refreshed: told how each computation in the background ended.
    """

    label: str
    codec: Codec
    ttl: float | Callable[..., Duration] | None = None
    condition: Callable[[Any], bool] | None = None
    exceptions: tuple[type[BaseException], ...] = ()
    negative_ttl: float | None = None
    lock_timeout: float | None = None
    strict: bool = False
    freshness: Freshness = PLAIN
    distributed: bool = False
    result_tags: Callable[[Any, tuple[Any, ...], dict[str, Any]], tuple[str, ...]] | None = None
    on_refreshed: Callable[[Result], None] | None = None


class Lookup(msgspec.Struct, frozen=True):
    """One lookup: where, under which policy, and what to call if it is not there."""

    key: str
    tags: tuple[str, ...]
    policy: Policy
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Result(msgspec.Struct, frozen=True):
    """How a lookup ended.

    Attributes:
        outcome: which of the nine.
        value: what to return, unless there is an error.
        error: what to raise.
        record: what is stored now, where something is.
        seconds: what the origin took, where it ran.
        reason: why the value was not stored, or why it is stale.
    """

    outcome: Outcome
    value: Any = None
    error: BaseException | None = None
    record: Record | None = None
    seconds: float = 0.0
    reason: str = ""

    def give(self) -> Any:
        """Return the value or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value

    def ending(self, outcome: Outcome, *, reason: str = "") -> Result:
        """Return it under another outcome."""
        return msgspec.structs.replace(self, outcome=outcome, reason=reason)


def user_tags(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tags as users write them, of names as a store knows them; those of the library are left out."""
    return tuple(name.partition(TAG)[2] for name in names if TAG in name)
