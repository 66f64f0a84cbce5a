"""The reverse proxies of `examples/`, told that they are a CDN: a field for CDNs governs them (RFC 9213)."""

import reverse_proxy_asgi
import reverse_proxy_wsgi
from reverse_proxy.messages import Origin

from cachelayer.asgi import CacheMiddleware as AsgiMiddleware
from cachelayer.wsgi import CacheMiddleware as WsgiMiddleware

FIELDS = ("Own-Cache-Control", "CDN-Cache-Control")
origin = Origin.from_environment()

asgi = AsgiMiddleware(reverse_proxy_asgi.ReverseProxy(origin), backend="memory://", targeted=FIELDS)
wsgi = WsgiMiddleware(reverse_proxy_wsgi.ReverseProxy(origin), backend="memory://", targeted=FIELDS)
