"""The store by itself: values with a lifetime, in memory that has a bound, and what it counts."""

import time

from cachelayer import InMemoryBackend

cache = InMemoryBackend(max_size_bytes=1024 * 1024)

cache.set("key1", b"hello world", ttl=60)
print(cache.get("key1"))

cache.set("temp", b"expires soon", ttl=1)
print("temp is there:", cache.exists("temp"))
time.sleep(1.5)
print("temp is there:", cache.exists("temp"))

stats = cache.get_stats()
print(f"hit rate {stats.hit_rate:.2f}, utilization {stats.utilization:.2%}")
