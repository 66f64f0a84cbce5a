"""Tags with parameters: `"user:{id}"`."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Any

from cachelayer.errors import ConfigurationError
from cachelayer.functions.templates import TagTemplate
from cachelayer.http.checks import names


class PathTags:
    """Tags of a route, whose parameters have their values only when a request comes.

    Args:
        tags: texts with `{parameter}`.
        owner: how errors call them.
        known: the parameters that there are, where that is known.

    Raises:
        ConfigurationError: a text is no template, or names an unknown parameter.
        OptionTypeError: `tags` is no series of texts.
    """

    def __init__(self, tags: Iterable[str], owner: str, known: frozenset[str] | None = None) -> None:
        self._templates = [
            TagTemplate(tag, _named(tag) if known is None else known, owner)
            for tag in names(tags, name="tags")
        ]

    def render(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tags for these values; raises KeyingError where one is missing."""
        return tuple(template.render(values) for template in self._templates)


def _named(template: str) -> frozenset[str]:
    """Return the parameters that a template names: which there are is known only when a request comes."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise ConfigurationError(
            f"tags holds {template!r}: {error}; braces hold a name of the path"
        ) from None
    return frozenset(field.partition(".")[0].partition("[")[0] for field in fields)
