"""The style sheet, the script and the icon: files of this package, under names that change with their content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Final

import msgspec

from cachelayer.dashboard.messages import Response

_KINDS: Final = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
#: A name never gets another content; only for the browser of who was let in.
_FOR_EVER: Final = "private, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """One file."""

    name: str
    kind: str
    body: bytes


@lru_cache(maxsize=1)
def _assets() -> dict[str, Asset]:
    """Return all by their file names; read once."""
    folder = files("cachelayer.dashboard") / "static"
    found: dict[str, Asset] = {}
    for name, kind in _KINDS.items():
        body = (folder / name).read_bytes()
        stem, _, ending = name.partition(".")
        found[name] = Asset(f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{ending}", kind, body)
    return found


def asset_url(name: str) -> str:
    """Return where a file is, relative to the page."""
    return f"assets/{_assets()[name].name}"


def asset_response(name: str) -> Response | None:
    """Return the file of that hashed name, or None."""
    for asset in _assets().values():
        if asset.name == name:
            headers = (("Content-Type", asset.kind), ("Cache-Control", _FOR_EVER))
            return Response(headers=headers, body=asset.body)
    return None
