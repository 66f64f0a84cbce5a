"""Checks of option values that rules and policies share: the error comes where the mistake is made, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.http.fields import is_token


def names(value: object, *, name: str) -> tuple[str, ...]:
    """Return an iterable of non-empty str as a tuple. A bare str is refused: it would count as its letters."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise OptionTypeError(
            f"{name} must be a tuple of str, not {value!r}; for one name write ({value!r},)"
        )
    found = tuple(cast("Iterable[object]", value))
    for item in found:
        if not isinstance(item, str):
            raise OptionTypeError(f"{name} must be a tuple of str, but holds {item!r}")
        if not item:
            raise ConfigurationError(f"{name} holds an empty name; leave it out")
    return cast("tuple[str, ...]", found)


def field_names(value: object, *, name: str) -> tuple[bytes, ...]:
    """Return names of header fields in lower case."""
    found = names(value, name=name)
    for item in found:
        if not item.isascii() or not is_token(item.encode()):
            raise ConfigurationError(
                f"{name} holds {item!r}, which is no field name; write it as in Accept-Language"
            )
    return tuple(item.lower().encode() for item in found)


def flag(value: object, *, name: str) -> bool:
    """Return a bool; anything else is refused, since "false" would count as true."""
    if not isinstance(value, bool):
        raise OptionTypeError(f"{name} must be True or False, not {value!r}")
    return value


def count(value: object, *, name: str) -> int:
    """Return an int of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionTypeError(f"{name} must be an int, not {value!r}")
    if value < 0:
        raise ConfigurationError(f"{name}={value} must be 0 or more")
    return value


def function(value: object, *, name: str) -> None:
    """Refuse what is neither None nor callable."""
    if value is not None and not callable(value):
        raise OptionTypeError(f"{name} must be a function that takes the request, or None, not {value!r}")
