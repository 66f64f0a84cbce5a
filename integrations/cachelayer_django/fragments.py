"""Fragments of templates that are computed once: what the tag `{% cachelayer %}` does.

A fragment is a result of a cached function that has the fragment's name: one caller computes it, others wait for that
one; its tags are those of functions and responses; statistics count it as `fragment NAME`.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.conf import settings
from django.db.models import Model
from django.utils import timezone, translation
from django.utils.safestring import SafeString, mark_safe

import cachelayer
from cachelayer import Cache
from cachelayer.durations import Duration

logger = logging.getLogger("cachelayer_django.fragments")

#: Values that a key tells apart by themselves. Others are told apart by their text, as with Django's own tag.
_PLAIN: Final = (bool, int, float, str, bytes, type(None))
#: How Django's form field with a token is called.
_TOKEN_FIELD: Final = "csrfmiddlewaretoken"  # noqa: S105 - a name, and no token
_TOKEN_USED: Final = "CSRF_COOKIE_NEEDS_UPDATE"  # noqa: S105


class Fragment:
    """One fragment that is wanted now.

    Args:
        name: of the fragment.
        render: makes it.
        ttl: how long it may be served.
        tags: that invalidate it.
        request: the request that it is made for, None where there is none.
    """

    def __init__(
        self, name: str, render: Callable[[], str], *, ttl: Duration, tags: Iterable[str], request: Any
    ) -> None:
        self.name, self.ttl, self.tags = name, ttl, tuple(tags)
        self._render, self._request = render, request

    def find(self, cache: Cache, vary: Iterable[Any]) -> SafeString:
        """Return the fragment from a cache, or make it.

        Args:
            cache: the site's, or another one.
            vary: what it depends on beside its name, the active language and the time zone.
        """
        function = _function(cache, self.name)
        try:
            html: str = function((*_surroundings(), *map(_told_apart, vary)), self)
        except _OwnVisitorsError as own:
            # Another visitor's, if this caller waited for it: it must not get that one.
            html = own.html if own.fragment is self else self._render()
        return mark_safe(html)  # noqa: S308 - a template made it, which has escaped what it had to

    def make(self) -> str:
        """Render it, or raise where it holds what is this visitor's own."""
        meta: dict[str, Any] = getattr(self._request, "META", {})
        was_used = meta.pop(_TOKEN_USED, None)
        try:
            # The plain text: a codec need not know Django's class.
            html = "" + self._render()
            holds_token = _TOKEN_USED in meta or _TOKEN_FIELD in html
        finally:
            if was_used is not None:
                meta[_TOKEN_USED] = was_used
        if holds_token:
            logger.warning(
                "the fragment %r holds a CSRF token, and is not cached: take the form out of {%% cachelayer %%}",
                self.name,
            )
            raise _OwnVisitorsError(self, html)
        return html


class _OwnVisitorsError(Exception):
    """A fragment that only its visitor may get."""

    def __init__(self, fragment: Fragment, html: str) -> None:
        super().__init__(fragment.name)
        self.fragment, self.html = fragment, html


_functions: weakref.WeakKeyDictionary[Cache, dict[str, Any]] = weakref.WeakKeyDictionary()
_lock: Final = threading.Lock()


def _function(cache: Cache, name: str) -> Any:
    """Return the cached function of the fragments of one name, in one cache."""
    try:
        return _functions[cache][name]
    except KeyError:
        pass
    # Names stand in templates, and templates do not grow without end.
    with _lock:
        made = _functions.setdefault(cache, {})
        if name not in made:
            made[name] = cachelayer.cached(
                cache=cache,
                name=f"fragment {name}",
                ttl=_ttl_of,
                tags=[_tags_of],
                ignore=["fragment"],
            )(_make)
        return made[name]


def _make(vary: tuple[Any, ...], fragment: Fragment) -> str:
    return fragment.make()


def _ttl_of(html: str, vary: tuple[Any, ...], fragment: Fragment) -> Duration:
    return fragment.ttl


def _tags_of(html: str, vary: tuple[Any, ...], fragment: Fragment) -> tuple[str, ...]:
    return fragment.tags


def _surroundings() -> tuple[str | None, str | None]:
    """Return what the same template gives another text for, without being told."""
    language = translation.get_language() if settings.USE_I18N else None
    return language, timezone.get_current_timezone_name() if settings.USE_TZ else None


def _told_apart(value: Any) -> Any:
    if isinstance(value, Model):
        # Two instances may have one text.
        return (value._meta.label, _told_apart(value.pk))
    # Exactly these: a lazy object is not what it says it is.
    return value if type(value) in _PLAIN else str(value)
