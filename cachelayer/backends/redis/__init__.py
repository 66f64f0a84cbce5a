"""Redis and Valkey as a store: one server, a cluster, or a primary under sentinels."""

from cachelayer.backends.redis.backend import RedisBackend

__all__ = ["RedisBackend"]
