"""Changes of what a cache is, or which one is the default: one at a time, and who is bound binds anew after each."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final, Protocol

from cachelayer.forks import ProcessLock


class User(Protocol):
    """What is bound to a cache at its first use: a function, a middleware."""

    def unbind(self) -> None:
        """Be bound anew at the next use. Called with `changing_cache` held, so it takes no other lock."""


#: Guards what the default cache is, what each cache is made of, and who is bound to it.
changing_cache: Final = ProcessLock()
#: Those that a change under way has yet to unbind, for a child that is forked in the middle of it.
_unbinding: list[User] = []


@contextmanager
def unbound(users: Iterable[User]) -> Generator[None]:
    """Unbind `users` after the block, in a child that is forked meanwhile too."""
    _unbinding[:] = users
    yield
    _unbind()


def _unbind() -> None:
    for user in _unbinding:
        user.unbind()
    _unbinding.clear()


os.register_at_fork(after_in_child=_unbind)
