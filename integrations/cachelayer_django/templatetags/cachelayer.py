"""`{% load cachelayer %}`: fragments of templates in the site's cache.

    {% cachelayer 60 sidebar %} ... {% endcachelayer %}
    {% cachelayer "5m" note note.pk user tags="notes,note:{note.pk}" %} ... {% endcachelayer %}

First the lifetime: seconds, text such as "5m", or None for ever; then a name, which stands for itself; then what the
fragment depends on. `tags=` is a list, or a text with commas, in which {variables} are replaced if it stands there in
quotes. The active language and time zone are told apart without being named. A fragment with a CSRF token is not
cached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from django.template import Library, Node, NodeList, TemplateSyntaxError, Variable
from django.template.base import FilterExpression, Parser, Token
from django.template.context import Context
from django.utils.safestring import SafeString

from cachelayer.durations import parse_duration
from cachelayer.errors import CacheLayerError
from cachelayer_django.fragments import Fragment

register = Library()

_TAGS: Final = "tags="
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
        tags: FilterExpression | str | None,
    ) -> None:
        self.nodelist, self._ttl, self._name, self._vary, self._tags = nodelist, ttl, name, vary, tags

    def render(self, context: Context) -> SafeString:
        """Return the fragment."""
        try:
            ttl = parse_duration(self._ttl.resolve(context), name="the lifetime")
        except CacheLayerError as error:
            raise TemplateSyntaxError(f"cachelayer {self._name}: {error}") from error
        fragment = Fragment(
            self._name,
            lambda: self.nodelist.render(context),
            ttl,
            self._resolve_tags(context),
            context.get("request"),
        )
        return fragment.find(each.resolve(context) for each in self._vary)

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
    named = [word for word in words if word.startswith(_TAGS)]
    words = [word for word in words if not word.startswith(_TAGS)]
    if len(words) < 2 or len(named) > 1:
        raise TemplateSyntaxError(
            "cachelayer takes a lifetime, a name, what it varies by, and tags=: "
            "{% cachelayer 60 name user.pk tags='users' %}"
        )
    ttl, name, *vary = words
    return CacheLayerNode(
        nodelist,
        parser.compile_filter(ttl),
        name,
        [parser.compile_filter(word) for word in vary],
        _compile_tags(parser, named[0].removeprefix(_TAGS)) if named else None,
    )


def _compile_tags(parser: Parser, word: str) -> FilterExpression | str:
    """Return the text that stands in quotes, or else the expression: a visitor's text is no template."""
    quoted = _QUOTED.fullmatch(word)
    return quoted[2] if quoted and quoted[1] not in quoted[2] else parser.compile_filter(word)
