"""Fixtures of the product's own plugin."""

from cachelayer.testing.plugin import cache, cache_clock, no_cache

__all__ = ["cache", "cache_clock", "no_cache"]
