"""Every test here runs through both shells, over both kinds of store."""

from tests.shells import site, store

__all__ = ["site", "store"]
