"""Key and tag templates: `"user:{user_id}"`, `"order:{order.id}"`, `"{names[0]}"`.

No two argument lists give one text. Between two fields stands at least one character that values never contain: one
that is always escaped in them (":", "/", a space), or else "_-.@+", which are then escaped in this template. An int
is written as it is, a text that starts with a letter too; other texts stand in quotes, other types in angle brackets.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, ClassVar, Final
from uuid import UUID

from cachelayer.errors import ConfigurationError, KeyingError
from cachelayer.functions.encoding import UnkeyableError, encode

_PUNCTUATION: Final = frozenset("_-.@+")
_PLAIN: Final = frozenset(string.ascii_letters + string.digits) | _PUNCTUATION
_RESERVED: Final = frozenset("%'<>")
_formatter: Final = string.Formatter()
#: What stands in a tag as its own text.
_TEXTS: Final = (str, int, float, Decimal, UUID, date, PurePath)


class Template:
    """A text with fields that name parameters.

    Args:
        text: literal text with `{parameter}`, `{parameter.attribute}` and `{parameter[item]}`; `{{` is a brace.
        parameters: the names that may be used.
        owner: how errors call what the template belongs to, such as "key= of app.load_user".

    Raises:
        ConfigurationError: a field names no parameter, has a conversion or format, or two are not separated.
    """

    #: What a literal cannot contain, since it stands around values.
    _reserved: ClassVar[frozenset[str]] = _RESERVED

    def __init__(self, text: str, parameters: frozenset[str], owner: str) -> None:
        self.text, self._owner = text, owner
        self._parts = self._parse(parameters)
        self._safe = _PLAIN - self._separators()

    def render(self, arguments: Mapping[str, Any]) -> str:
        """Return the text for these arguments, or raise KeyingError."""
        return "".join(literal + self._field(field, arguments) for literal, field in self._parts)

    def _parse(self, parameters: frozenset[str]) -> list[tuple[str, str | None]]:
        parts: list[tuple[str, str | None]] = []
        try:
            parsed = list(_formatter.parse(self.text))
        except ValueError as error:
            raise ConfigurationError(f"{self._owner}: {self.text!r} is no template: {error}") from None
        for literal, field, spec, conversion in parsed:
            if field is not None:
                self._check(field, bool(spec or conversion), parameters)
            if self._reserved & set(literal):
                raise ConfigurationError(f"{self._owner}: {self.text!r} cannot contain any of % ' < >")
            parts.append((literal, field))
        return parts

    def _check(self, field: str, formatted: bool, parameters: frozenset[str]) -> None:
        name = re.split(r"[.\[]", field, maxsplit=1)[0]
        if formatted:
            raise ConfigurationError(
                f"{self._owner}: {{{field}}} in {self.text!r} takes no conversion or format"
            )
        if name not in parameters:
            raise ConfigurationError(
                f"{self._owner}: {self.text!r} names an unknown parameter {name!r}; known are {sorted(parameters)}"
            )

    def _separators(self) -> frozenset[str]:
        """Return the characters that values must escape since they are all that separates two fields."""
        separators: frozenset[str] = frozenset()
        before = [literal for literal, field in self._parts if field is not None]
        for literal in map(frozenset, before[1:]):
            if literal <= _PLAIN:
                separators |= literal & _PUNCTUATION
                if not literal & _PUNCTUATION:
                    raise ConfigurationError(
                        f"{self._owner}: nothing separates two fields of {self.text!r}, so that different values "
                        f'could give one text: put ":" between them'
                    )
        return separators

    def _field(self, field: str | None, arguments: Mapping[str, Any]) -> str:
        if field is None:
            return ""
        try:
            value, _ = _formatter.get_field(field, (), arguments)
            return self._show(value)
        except (UnkeyableError, AttributeError, LookupError, TypeError) as error:
            raise KeyingError(f"{self._owner}: {{{field}}} cannot be filled in: {error}") from None

    def _show(self, value: Any) -> str:
        if type(value) is int:
            return self._escape(str(value))
        if type(value) is not str:
            return f"<{self._escape(encode(value))}>"
        return (
            self._escape(value) if value[:1] in string.ascii_letters and value else f"'{self._escape(value)}'"
        )

    def _escape(self, text: str) -> str:
        return "".join(letter if letter in self._safe else _percent(letter) for letter in text)


class TagTemplate(Template):
    """A tag: what one would write oneself, `f"user:{user_id}"`.

    Other than for keys, nothing is lost where two values give one text: both are invalidated then. So texts, numbers,
    UUIDs, dates and paths stand as they are, and an enum's member as its value; only what has no text of its own is
    encoded.
    """

    _reserved = frozenset()

    def _separators(self) -> frozenset[str]:
        return frozenset()

    def _show(self, value: Any) -> str:
        if isinstance(value, Enum):
            value = value.value
        return str(value) if isinstance(value, _TEXTS) else f"<{encode(value)}>"


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))
