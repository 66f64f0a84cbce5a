"""What a store has missed while it could not be reached: to be made good before it is asked anything else.

- A delete, or a `clear`, that failed is kept.
- A write that failed is kept as a delete: no older value may be left under its key. Not so `add` and `incr`, and a
  `touch` that prolongs: what is there is right, whether they got through or not.
- An invalidation of generations that failed, softly or not, is kept as a delete of their keys. A generation that is
  gone is made anew with a never-used value, which kills what had the old one; and a full store still takes deletes.
- The mark of a key's invalidation (see `mark_key`) is written again: a computation under way elsewhere may have found
  none, so that a delete would be no fence against it.
- Leases run out by themselves: to delete one could take it from another holder.

All of it may come twice and harms nothing then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from cachelayer.backends.generations import BOOKKEEPING, generation_key, new_generation
from cachelayer.backends.resilience.operations import Args, keys_of
from cachelayer.forks import ProcessLock

_GENERATION: Final = generation_key("")

#: Operations that may leave something to do where they fail.
NOTED: Final = frozenset(
    {
        "set",
        "set_many",
        "compare_and_set",
        "touch",
        "delete",
        "delete_many",
        "clear",
        "bump_generations",
        "soften_generations",
    }
)


class Batch(msgspec.Struct, frozen=True):
    """What is pending at one moment. Each number tells a key from the same key that was added later.

    Attributes:
        cleared: the number of a `clear`, 0 where there is none.
        marks: number and ttl in seconds of each mark.
        keys: the number of each key to delete.
    """

    cleared: int
    marks: Mapping[str, tuple[int, float | None]]
    keys: Mapping[str, int]

    def __len__(self) -> int:
        return bool(self.cleared) + len(self.marks) + len(self.keys)

    def operations(self) -> Iterator[tuple[str, Args]]:
        """Give what to do, in this order: a result is either stored before its key is deleted, or refused."""
        for ttl in {ttl for _, ttl in self.marks.values()}:
            marks = {key: new_generation() for key, (_, its) in self.marks.items() if its == ttl}
            yield "set_many", (marks, ttl)
        if self.cleared:
            yield "clear", ()
        if self.keys:
            yield "delete_many", (list(self.keys),)


class Pending:
    """The invalidations that a store has missed.

    Args:
        limit: how many are kept; beyond it, one `clear` takes the place of all.

    Attributes:
        count: how many there are.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = ProcessLock()
        self._number = 0
        self._cleared = 0
        self._marks: dict[str, tuple[int, float | None]] = {}
        self._keys: dict[str, int] = {}
        self.count = 0

    def note(self, operation: str, args: Args) -> None:
        """Keep what is left to do of an operation that failed."""
        with self._lock:
            self._number += 1
            self._note(operation, args)
            if len(self._marks) + len(self._keys) > self._limit:
                self._marks.clear()
                self._clear()
            self._recount()

    def batch(self) -> Batch:
        """Return what is pending now."""
        with self._lock:
            return Batch(self._cleared, dict(self._marks), dict(self._keys))

    def settle(self, batch: Batch) -> None:
        """Forget what has been made good, except for what was added again meanwhile."""
        with self._lock:
            if self._cleared == batch.cleared:
                self._cleared = 0
            self._keys = {key: number for key, number in self._keys.items() if batch.keys.get(key) != number}
            self._marks = {key: mark for key, mark in self._marks.items() if batch.marks.get(key) != mark}
            self._recount()

    def touches(self, operation: str, args: Args) -> bool:
        """Whether the operation is about anything that is pending."""
        with self._lock:
            if not self.count:
                return False
            keys = keys_of(operation, args)
            return keys is None or bool(self._cleared) or any(self._has(key) for key in keys)

    # -- inside: under the lock -------------------------------------------------------------------------------

    def _has(self, key: str) -> bool:
        return key in self._keys or key in self._marks

    def _note(self, operation: str, args: Args) -> None:
        if operation == "clear":
            self._clear()
        elif operation in {"delete", "delete_many", "bump_generations", "soften_generations"}:
            self._delete(keys_of(operation, args) or ())
        elif operation == "set":
            self._rewrite(args[0], args[2])
        elif operation == "set_many":
            for key in args[0]:
                self._rewrite(key, args[1])
        elif operation == "compare_and_set" and (args[0] not in args[2] or args[0].startswith(_GENERATION)):
            # One that compares its own key either finds it unchanged or was overtaken: both values are right.
            # Not so a generation, whose every change invalidates something.
            self._rewrite(args[0], args[3])
        elif operation == "touch" and args[1] is not None and args[1] <= 0:
            self._delete((args[0],))

    def _clear(self) -> None:
        self._cleared = self._number
        # Generations stay: they fence off computations under way elsewhere, which a clear does not.
        self._keys = {key: number for key, number in self._keys.items() if key.startswith(BOOKKEEPING)}
        if len(self._keys) > self._limit:
            self._keys = {}

    def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            if not self._cleared or key.startswith(BOOKKEEPING):
                self._keys[key] = self._number

    def _rewrite(self, key: str, ttl: Any) -> None:
        if key.startswith(_GENERATION):
            self._marks[key] = (self._number, ttl)
        elif not key.startswith(BOOKKEEPING):
            self._delete((key,))

    def _recount(self) -> None:
        self.count = bool(self._cleared) + len(self._marks) + len(self._keys)
