"""Caching for ASGI applications: a pure ASGI middleware, and a thin shell around `cachelayer.exchange`."""

from __future__ import annotations

from cachelayer.asgi.drivers import driver
from cachelayer.asgi.messages import objection_in, request_of
from cachelayer.asgi.middleware import CacheMiddleware
from cachelayer.asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "ASGIApp",
    "CacheMiddleware",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "driver",
    "objection_in",
    "request_of",
]
