"""`@cached`: argument binding, keys, and the cached callable."""

from cachelayer.functions.decorator import cached

__all__ = ["cached"]
