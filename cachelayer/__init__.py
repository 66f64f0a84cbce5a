"""Caching for Python web applications: function results and HTTP responses, in any store, and visible."""

from cachelayer.backends.base import CacheBackend, CacheEntry, CacheStats
from cachelayer.backends.memory import InMemoryBackend
from cachelayer.backends.url import backend_from_url
from cachelayer.cache import Cache
from cachelayer.context import bypass, deferred_invalidation
from cachelayer.default import configure, default_cache
from cachelayer.errors import (
    BackendClosedError,
    BackendError,
    CacheLayerError,
    ComputationTimeoutError,
    ConfigurationError,
    DecodingError,
    EncodingError,
    KeyingError,
    MissingExtraError,
    OptionTypeError,
    UnsupportedOperationError,
)
from cachelayer.events import CacheEvent, EventKind, Listener
from cachelayer.functions import cached
from cachelayer.http import Rule
from cachelayer.outcomes import Outcome
from cachelayer.stats import RouteStats, StatsSnapshot
from cachelayer.values.registry import register_codec, unregister_codec
from cachelayer.values.serializers import PickleSerializer, Serializer

__all__ = [
    "BackendClosedError",
    "BackendError",
    "Cache",
    "CacheBackend",
    "CacheEntry",
    "CacheEvent",
    "CacheLayerError",
    "CacheStats",
    "ComputationTimeoutError",
    "ConfigurationError",
    "DecodingError",
    "EncodingError",
    "EventKind",
    "InMemoryBackend",
    "KeyingError",
    "Listener",
    "MissingExtraError",
    "OptionTypeError",
    "Outcome",
    "PickleSerializer",
    "RouteStats",
    "Rule",
    "Serializer",
    "StatsSnapshot",
    "UnsupportedOperationError",
    "backend_from_url",
    "bypass",
    "cached",
    "configure",
    "default_cache",
    "deferred_invalidation",
    "register_codec",
    "unregister_codec",
]
