"""Which change feed follows which store."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from cachelayer.backends.base import CacheBackend
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.tiered.feeds import ChangeFeed
from cachelayer.backends.tiered.near import Near
from cachelayer.backends.tiered.polling import PollingFeed, group_of
from cachelayer.durations import parse_duration
from cachelayer.errors import ConfigurationError, OptionTypeError

FeedName = Literal["auto", "tracking", "poll"]


class Pace(msgspec.Struct, frozen=True):
    """How long things take, in seconds: see `TieredBackend`."""

    l1_ttl: float
    poll_interval: float
    heartbeat: float

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not parse_duration(value, name=name):
                raise ConfigurationError(f"{name}={value!r}: give seconds above 0")


def check_l2(l2: CacheBackend | None) -> CacheBackend:
    """Return the shared store; raises where it is none."""
    if l2 is None:
        raise ConfigurationError("a tiered backend needs l2=, the store that processes share")
    if not isinstance(l2, CacheBackend):
        raise OptionTypeError(f"l2 must be a CacheBackend, not {type(l2).__name__}: {l2!r}")
    if not l2.shared:
        raise ConfigurationError(
            f"l2={l2!r} cannot be behind memory: other processes do not see what it holds. "
            "Give a shared store, or use this one by itself"
        )
    return l2


def make_feed(name: FeedName, l1: InMemoryBackend, l2: CacheBackend, pace: Pace) -> ChangeFeed:
    """Return the feed that keeps copies of `l2` in `l1` coherent; it starts when it is first needed."""
    if name not in get_args(FeedName):
        raise ConfigurationError(f"feed={name!r} is unknown: choose one of {sorted(get_args(FeedName))}")
    redis = None if name == "poll" else _redis_behind(l2)
    if redis is not None:
        from cachelayer.backends.tiered.tracking import TrackingFeed

        return TrackingFeed(Near(l1, longest=pace.l1_ttl), redis, heartbeat=pace.heartbeat)
    if name == "tracking":
        raise ConfigurationError(f"feed='tracking' needs a RedisBackend as l2, not {l2!r}: use feed='poll'")
    return PollingFeed(Near(l1, longest=pace.l1_ttl, group_of=group_of), l2, interval=pace.poll_interval)


def _redis_behind(store: Any) -> Any:
    """Return the `RedisBackend` that `store` is or wraps, None where there is none."""
    from cachelayer.backends.redis import RedisBackend

    while store is not None and not isinstance(store, RedisBackend):
        store = getattr(store, "inner", None)
    return store
