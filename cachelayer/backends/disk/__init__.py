"""A store in one SQLite file: for those who want to survive a restart without a server."""

from cachelayer.backends.disk.address import from_url
from cachelayer.backends.disk.backend import DiskBackend

__all__ = ["DiskBackend", "from_url"]
