"""`disk:///var/cache/app/cache.db?max_size_bytes=1000000`."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, unquote

from cachelayer.backends.disk.backend import DiskBackend
from cachelayer.backends.url import query_options
from cachelayer.errors import ConfigurationError

_FORM: Final = "the path is absolute, after three slashes: disk:///var/cache/app/cache.db"


def from_url(parts: SplitResult) -> DiskBackend:
    """Make a disk backend of a `disk://` URL: its path names the file, its query has the options."""
    if parts.netloc:
        raise ConfigurationError(
            f"disk:// takes no host, and {parts.hostname!r} stands where one would: {_FORM}"
        )
    if parts.fragment:
        raise ConfigurationError(f"a # in the path of a disk:// URL is written as %23; {_FORM}")
    path = unquote(parts.path)
    if not path.strip("/") or not path.startswith("/"):
        raise ConfigurationError(f"disk:{path} names no file: {_FORM}")
    known = {"namespace": str, "max_size_bytes": int, "max_entries": int, "timeout": float}
    return DiskBackend(path, **query_options(parts, known))
