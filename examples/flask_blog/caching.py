"""The cache that all modules of the blog use."""

from cachelayer_flask import CacheLayer

cache = CacheLayer()
