"""What the application says about the caching of its response while it makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any


class Control:
    """One response under way: what its application has said so far.

    Args:
        cache: the one that the middleware around the application uses.
        outer: that of the middleware around that one, or None.
    """

    __slots__ = (
        "cache", "if_error", "kept_within", "no_store", "outer", "said", "tags", "ttl", "while_revalidate"
    )  # fmt: skip

    def __init__(self, cache: Any, outer: Control | None) -> None:
        self.cache, self.outer = cache, outer
        #: Whether the application has said anything.
        self.said = False
        self.no_store = False
        #: A view of the application keeps and counts its response by itself, in this cache.
        self.kept_within = False
        self.tags: tuple[str, ...] = ()
        self.ttl: float | None = None
        self.while_revalidate: float | None = None
        self.if_error: float | None = None


#: The response under way in this task or thread, and those around it.
current: ContextVar[Control | None] = ContextVar("cachelayer_response", default=None)


def controls_of(cache: Any) -> Iterator[Control]:
    """Yield the responses under way whose middleware uses `cache`, from the inside out."""
    control = current.get()
    while control is not None:
        if control.cache is cache:
            yield control
        control = control.outer
