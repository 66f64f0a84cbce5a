"""Which rule a request matched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cachelayer.exchange import UNMATCHED


def route_label(environ: Mapping[str, Any]) -> str:
    """Return the URL rule that a request matched, blueprint prefix included, or `<unmatched>`."""
    # Werkzeug leaves the request there; Flask has matched it before anything else.
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return UNMATCHED if rule is None else str(rule.rule)
