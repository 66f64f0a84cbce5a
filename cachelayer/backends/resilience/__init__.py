"""Calm under failure: a wrapper around any store."""

from __future__ import annotations

from cachelayer.backends.resilience.backend import OnError, ResilientBackend, resilient
from cachelayer.backends.resilience.breaker import State
from cachelayer.backends.resilience.core import Health

__all__ = ["Health", "OnError", "ResilientBackend", "State", "resilient"]
