"""What the two reverse proxies have in common: `reverse_proxy_asgi.py` and `reverse_proxy_wsgi.py`."""
