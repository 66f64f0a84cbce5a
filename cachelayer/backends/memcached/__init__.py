"""The Memcached store."""

from cachelayer.backends.memcached.backend import MemcachedBackend
from cachelayer.backends.memcached.url import from_url

__all__ = ["MemcachedBackend", "from_url"]
