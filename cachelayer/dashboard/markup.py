"""HTML that is escaped by construction: text becomes markup through `tag` only."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

#: What an element may hold: markup as it is, anything else as text; None is nothing.
Child = "Markup | str | float | None | Iterable[Child]"

_VOID: Final = frozenset({"br", "hr", "input", "link", "meta"})
_NAMES: Final = {"class_": "class", "for_": "for", "http_equiv": "http-equiv"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return `value` as HTML that shows it; a lone surrogate as its escape."""
    return Markup(escape(str(value).encode("utf-8", "backslashreplace").decode()))


def join(*children: object) -> Markup:
    """Return the children one after the other."""
    return Markup("".join(_flatten(children)))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return one element.

    Args:
        name: of the element.
        children: its content: `Markup` as it is, other values as text, iterables one after the other; None: nothing.
        attributes: `True` stands for itself, None and False for nothing. "class_" is "class", other underscores are
            hyphens.
    """
    made = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{made}>")
    return Markup(f"<{name}{made}>{''.join(_flatten(children))}</{name}>")


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = _NAMES.get(name) or name.replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value)}"'


def _flatten(children: Iterable[object]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield text(child)
        elif isinstance(child, Iterable):
            yield from _flatten(child)  # pyright: ignore[reportUnknownArgumentType] # of objects, whatever they are
        elif child is not None:
            yield text(child)
