"""What the application says about the caching of its response while it makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
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
