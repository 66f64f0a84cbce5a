"""What the application says about the caching of its response while it makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar, Token
from typing import Any

import msgspec


class Control(msgspec.Struct, kw_only=True, eq=False):
    """One response under way: what its application has said so far.

    Attributes:
        outer: the response under way in the middleware around that one, or None.
        said: whether the application has said anything.
        no_store: it must not be stored.
        kept_within: a view of the application keeps and counts its response by itself, in this cache.
        tags: further groups it belongs to.
        ttl: seconds that it is fresh.
        is_general: the ttl is for all responses of some views, and was not said for this one.
        while_revalidate: seconds after that in which it is served stale while it is refreshed.
        if_error: seconds after that in which it is served stale where the application fails.
    """

    outer: Control | None = None
    said: bool = False
    no_store: bool = False
    kept_within: bool = False
    tags: tuple[str, ...] = ()
    ttl: float | None = None
    while_revalidate: float | None = None
    if_error: float | None = None
    is_general: bool = False

    def enter(self) -> Token[Control | None]:
        """Let the application say something about its response; returns what to give to `leave`."""
        self.outer = current.get()
        return current.set(self)

    @staticmethod
    def leave(token: Token[Control | None]) -> None:
        """Undo `enter`."""
        current.reset(token)

    def forget(self) -> None:
        """Forget what the application has said: it is asked anew."""
        self.said = self.no_store = self.kept_within = self.is_general = False
        self.tags, self.ttl, self.while_revalidate, self.if_error = (), None, None, None

    @property
    def cache(self) -> Any:
        """The cache that the middleware around the application uses."""
        raise NotImplementedError


#: The response under way in this task or thread, and those around it.
current: ContextVar[Control | None] = ContextVar("cachelayer_response", default=None)


def controls_of(cache: Any) -> Iterator[Control]:
    """Yield the responses under way whose middleware uses `cache`, from the inside out."""
    control = current.get()
    while control is not None:
        if control.cache is cache:
            yield control
        control = control.outer


def keep_within(cache: Any) -> None:
    """Have no middleware outside store the page, which a view keeps in `cache`: it would answer before the view could.

    What stands between, such as a check of who asks, then runs before each hit.
    """
    control = current.get()
    while control is not None:
        control.said = control.no_store = True
        control.kept_within = control.cache is cache
        control = control.outer
