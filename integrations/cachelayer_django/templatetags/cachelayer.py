"""`{% load cachelayer %}`: fragments of templates in the site's cache.

    {% cachelayer 60 sidebar %} ... {% endcachelayer %}
    {% cachelayer "5m" note note.pk user tags="notes,note:{note.pk}" using="fragments" %} ... {% endcachelayer %}

First the lifetime: seconds, text such as "5m", or None for ever; then a name, which stands for itself; then what the
fragment depends on. `tags=` is a list, or a text with commas, in which {variables} are replaced if it stands there in
quotes. `using=` is an alias of `CACHES`, to keep it there instead. The active language and time zone are told apart
without being named. A fragment with a CSRF token is not cached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.template import Library, Node, NodeList, TemplateSyntaxError, Variable
from django.template.base import FilterExpression, Parser, Token
from django.template.context import Context
from django.utils.safestring import SafeString

from cachelayer.durations import parse_duration
from cachelayer.errors import CacheLayerError
from cachelayer_django.conf import cache_at, get_cache
from cachelayer_django.fragments import Fragment

register = Library()

_TAGS: Final = "tags="
_USING: Final = "using="
_QUOTED: Final = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_FIELD: Final = re.compile(r"\{\s*([^{}]+?)\s*\}")


class CacheLayerNode(Node):
    """The tag with what stands in it."""

    def __init__(
        self,
        nodelist: NodeList,
        ttl: FilterExpression,
        name: str,
        vary: list[FilterExpression],
        *,
        tags: FilterExpression | str | None,
        using: FilterExpression | None,
    ) -> None:
        self.nodelist, self._ttl, self._name, self._vary = nodelist, ttl, name, vary
        self._tags, self._using = tags, using

    def render(self, context: Context) -> SafeString:
        """Return the fragment."""
        try:
            ttl = parse_duration(self._ttl.resolve(context), name="the lifetime")
            cache = (
                get_cache() if self._using is None else cache_at(self._using.resolve(context), named=_USING)
            )
        except (CacheLayerError, ImproperlyConfigured) as error:
            raise TemplateSyntaxError(f"cachelayer {self._name}: {error}") from error
        fragment = Fragment(
            self._name,
            lambda: self.nodelist.render(context),
            ttl=ttl,
            tags=self._resolve_tags(context),
            request=context.get("request"),
        )
        return fragment.find(cache, (each.resolve(context) for each in self._vary))

    def _resolve_tags(self, context: Context) -> list[str]:
        if self._tags is None:
            return []
        if isinstance(self._tags, str):
            found: Any = _FIELD.sub(lambda field: str(Variable(field[1]).resolve(context)), self._tags)
        else:
            found = self._tags.resolve(context)
        if isinstance(found, str):
            return [tag for tag in map(str.strip, found.split(",")) if tag]
        if not isinstance(found, Iterable):
            raise TemplateSyntaxError(f"cachelayer {self._name}: tags= must be text or a list, not {found!r}")
        return _texts(found)


def _texts(found: Any) -> list[str]:
    return [str(tag) for tag in found]


@register.tag("cachelayer")
def do_cachelayer(parser: Parser, token: Token) -> CacheLayerNode:
    """Compile the tag."""
    nodelist = parser.parse(("endcachelayer",))
    parser.delete_first_token()
    _, *words = token.split_contents()
    tags, using = _take(words, _TAGS), _take(words, _USING)
    if len(words) < 2:
        raise _misused()
    ttl, name, *vary = words
    return CacheLayerNode(
        nodelist,
        parser.compile_filter(ttl),
        name,
        [parser.compile_filter(word) for word in vary],
        tags=None if tags is None else _compile_tags(parser, tags),
        using=None if using is None else parser.compile_filter(using),
    )


def _take(words: list[str], option: str) -> str | None:
    """Take an option out of the tag's words."""
    found = [word for word in words if word.startswith(option)]
    if len(found) > 1:
        raise _misused()
    for word in found:
        words.remove(word)
        return word.removeprefix(option)
    return None


def _misused() -> TemplateSyntaxError:
    return TemplateSyntaxError(
        "cachelayer takes a lifetime, a name, what it varies by, and once each tags= and using=: "
        "{% cachelayer 60 name user.pk tags='users' using='fragments' %}"
    )


def _compile_tags(parser: Parser, word: str) -> FilterExpression | str:
    """Return the text that stands in quotes, or else the expression: a visitor's text is no template."""
    quoted = _QUOTED.fullmatch(word)
    return quoted[2] if quoted and quoted[1] not in quoted[2] else parser.compile_filter(word)
