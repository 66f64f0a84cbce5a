"""Where statistics are kept: pages under book-keeping keys of a store, which a user's `keys()` and `clear()` leave out.

A page is MessagePack, deflated. What cannot be read, for it was cut off or is of another version, counts as missing.
"""

from __future__ import annotations

import logging
import secrets
import zlib
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from cachelayer.backends.base import BOOKKEEPING, CacheBackend

logger = logging.getLogger("cachelayer.stats")

T = TypeVar("T")

#: Bytes of a page, inflated: more is no page of ours.
_LARGEST: Final = 32 * 1024 * 1024
_VERSION: Final = "1"
_PREFIX: Final = BOOKKEEPING + "stats:"


class Shelf:
    """The pages of one cache's statistics in one store.

    Args:
        store: asked directly, past what remembers invalidations that a store has missed.
        name: the cache's name.
        namespace: the cache's namespace.
    """

    def __init__(self, store: CacheBackend, name: str, namespace: str) -> None:
        self.store = store
        self._prefix = f"{_PREFIX}{_VERSION}:{len(namespace)}:{namespace}:{len(name)}:{name}:"
        self._lease = f"stats:{len(namespace)}:{namespace}:{name}"

    def get(self, name: str, kind: type[T]) -> T | None:
        """Return a page, None where it is not there or cannot be read."""
        return self.get_raw(name, kind)[0]

    def get_raw(self, name: str, kind: type[T]) -> tuple[T | None, bytes | None]:
        """Return a page, and its bytes, to change it by `exchange`."""
        data = self.store.get(self._prefix + name)
        return (None if data is None else _decode(data, kind)), data

    def get_many(self, names: Iterable[str], kind: type[T]) -> dict[str, T]:
        """Return those pages that are there."""
        keys = {self._prefix + name: name for name in names}
        found = self.store.get_many(list(keys)) if keys else {}
        pages = ((keys[key], _decode(data, kind)) for key, data in found.items())
        return {name: page for name, page in pages if page is not None}

    def put(self, name: str, page: Any, seconds: float) -> bool:
        """Write a page, which lives for so many seconds; whether that was done."""
        return self.store.set(self._prefix + name, _encode(page), seconds)

    def exchange(self, name: str, page: Any, before: bytes | None, seconds: float) -> bool:
        """Write a page if its bytes are still `before`; whether they were."""
        key = self._prefix + name
        return self.store.compare_and_set(key, _encode(page), {key: before}, seconds)

    def delete(self, name: str) -> None:
        """Remove a page."""
        self.store.delete(self._prefix + name)

    def take_turn(self, seconds: float) -> bytes | None:
        """Take the turn to tidy up, for so many seconds at most; None where another has it."""
        token = secrets.token_bytes(16)
        return token if self.store.acquire_lease(self._lease, token, seconds) else None

    def end_turn(self, token: bytes) -> None:
        """Give the turn back."""
        self.store.release_lease(self._lease, token)


def _encode(page: Any) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(page), 1)


def _decode(data: bytes, kind: type[T]) -> T | None:
    try:
        inflater = zlib.decompressobj()
        return msgspec.msgpack.decode(inflater.decompress(data, _LARGEST), type=kind)
    except (zlib.error, msgspec.MsgspecError, TypeError) as error:
        logger.warning("a page of the statistics cannot be read, and begins anew: %r", error)
        return None
