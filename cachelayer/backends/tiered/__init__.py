"""Memory in front of a shared store, kept coherent with it."""

from cachelayer.backends.tiered.address import from_url
from cachelayer.backends.tiered.backend import TieredBackend, Tiers

__all__ = ["TieredBackend", "Tiers", "from_url"]
