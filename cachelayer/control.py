"""What the application says about the caching of its response while it makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any


class Control:
    """One response under way: what its application has said so far."""

    #: The cache that the middleware around the application uses.
    cache: Any = None
    #: The response under way in the middleware around that one, or None.
    outer: Control | None = None
    #: Whether the application has said anything.
    said = False
    no_store = False
    #: A view of the application keeps and counts its response by itself, in this cache.
    kept_within = False
    tags: tuple[str, ...] = ()
    ttl: float | None = None
    while_revalidate: float | None = None
    if_error: float | None = None

    def forget(self) -> None:
        """Forget what the application has said: it is asked again."""
        self.said = self.no_store = self.kept_within = False
        self.tags, self.ttl, self.while_revalidate, self.if_error = (), None, None, None


#: The response under way in this task or thread, and those around it.
current: ContextVar[Control | None] = ContextVar("cachelayer_response", default=None)


def controls_of(cache: Any) -> Iterator[Control]:
    """Yield the responses under way whose middleware uses `cache`, from the inside out."""
    control = current.get()
    while control is not None:
        if control.cache is cache:
            yield control
        control = control.outer
