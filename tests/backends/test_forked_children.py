"""A forked child that never uses the store it inherited: what it drops or closes is not its parent's."""

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from cachelayer.backends import CacheBackend
from cachelayer.backends.disk import DiskBackend
from cachelayer.backends.memcached import MemcachedBackend
from cachelayer.backends.redis import RedisBackend
from cachelayer.backends.tiered import TieredBackend
from cachelayer.testing.crowds import in_a_child

Make = Callable[[Any], CacheBackend]


def _redis(request: pytest.FixtureRequest) -> RedisBackend:
    return RedisBackend(request.getfixturevalue("redis_server").url, namespace="forked", timeout=20)


def _cluster(request: pytest.FixtureRequest) -> RedisBackend:
    first, *_ = request.getfixturevalue("redis_nodes")
    return RedisBackend(f"redis+cluster://127.0.0.1:{first.port}", namespace="forked", timeout=20)


def _memcached(request: pytest.FixtureRequest) -> MemcachedBackend:
    address = request.getfixturevalue("memcached_server").address
    return MemcachedBackend(address, namespace="forked", timeout=20)


def _disk(request: pytest.FixtureRequest) -> DiskBackend:
    folder: Path = request.getfixturevalue("tmp_path")
    return DiskBackend(folder / "cache.db")


_STORES: Final[dict[str, Make]] = {
    "redis": _redis,
    "cluster": _cluster,
    "memcached": _memcached,
    "disk": _disk,
    "tiered": lambda request: TieredBackend(l2=_redis(request)),
}


def _drop(held: list[CacheBackend]) -> None:
    held.clear()
    gc.collect()


def _close(held: list[CacheBackend]) -> None:
    held[0].close()


@pytest.mark.parametrize("end", [_drop, _close])
@pytest.mark.parametrize("store", _STORES)
def test_a_child_that_is_done_leaves_its_parents_store_alone(
    request: pytest.FixtureRequest, store: str, end: Callable[[list[CacheBackend]], None]
):
    """Whether it drops the backend or closes it, it warns of nothing, and its parent goes on as before (23, 24)."""
    held = [_STORES[store](request)]
    held[0].set("key", b"value")

    def work() -> list[str]:
        gc.collect()  # What other tests left behind may warn: it is not what is tested here.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            end(held)
        return [str(each.message) for each in caught]

    assert in_a_child(work) == []
    assert held[0].get("key") == b"value"
    assert held[0].set("key", b"other") is True
    assert held[0].get("key") == b"other"
    held[0].close()
