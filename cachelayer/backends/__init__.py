"""Stores of bytes under string keys."""

from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.url import backend_from_url

__all__ = ["CacheBackend", "CacheEntry", "CacheStats", "InMemoryBackend", "backend_from_url"]
