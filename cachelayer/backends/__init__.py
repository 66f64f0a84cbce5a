"""The contract of every store (`base.py`), and the stores: each is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats
    from cachelayer.backends.disk import DiskBackend
    from cachelayer.backends.memcached import MemcachedBackend
    from cachelayer.backends.memory import InMemoryBackend
    from cachelayer.backends.redis import RedisBackend
    from cachelayer.backends.resilience import ResilientBackend
    from cachelayer.backends.tiered import TieredBackend
    from cachelayer.backends.url import backend_from_url

__all__ = [
    "CacheBackend",
    "CacheEntry",
    "CacheStats",
    "DiskBackend",
    "InMemoryBackend",
    "MemcachedBackend",
    "RedisBackend",
    "ResilientBackend",
    "TieredBackend",
    "backend_from_url",
]

_MODULES: Final = {
    "CacheBackend": "base",
    "CacheEntry": "base",
    "CacheStats": "base",
    "DiskBackend": "disk",
    "InMemoryBackend": "memory",
    "MemcachedBackend": "memcached",
    "RedisBackend": "redis",
    "ResilientBackend": "resilience",
    "TieredBackend": "tiered",
    "backend_from_url": "url",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
