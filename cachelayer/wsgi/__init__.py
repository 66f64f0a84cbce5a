"""Caching for WSGI applications: a plain WSGI middleware (PEP 3333), and a thin shell around `cachelayer.exchange`."""

from __future__ import annotations

from cachelayer.wsgi.messages import environ_key, head_of, make_conditional, request_of
from cachelayer.wsgi.middleware import CacheMiddleware

__all__ = ["CacheMiddleware", "environ_key", "head_of", "make_conditional", "request_of"]
