"""One operation of a backend as a step of a flow."""

from __future__ import annotations

from typing import Any

import msgspec

from cachelayer.backends.base import CacheBackend


class Operate(msgspec.Struct, frozen=True):
    """One operation of a backend, by its name: the sync method, or its async twin."""

    backend: CacheBackend
    operation: str
    args: tuple[Any, ...]

    def take(self) -> Any:
        """Call the method."""
        return getattr(self.backend, self.operation)(*self.args)

    async def atake(self) -> Any:
        """Await its async twin."""
        return await getattr(self.backend, "a" + self.operation)(*self.args)
