"""The signals that `CACHE_ENABLE_SIGNALS` switches on, by the names that Flask-Caching gives them."""

from __future__ import annotations

from typing import Final

from blinker import NamedSignal, Namespace

_signals: Final = Namespace()

#: Sent with `cache`, `cache_key`, `args` and `kwargs`.
cache_view_hit: Final[NamedSignal] = _signals.signal("cache-view-hit")
cache_view_miss: Final[NamedSignal] = _signals.signal("cache-view-miss")
#: Sent with `f` besides, the function as it was before it was decorated.
cache_memoize_hit: Final[NamedSignal] = _signals.signal("cache-memoize-hit")
cache_memoize_miss: Final[NamedSignal] = _signals.signal("cache-memoize-miss")
