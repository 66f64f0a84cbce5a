"""The classes that a return annotation names, directly or through the fields of others: the only ones it lets in."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from cachelayer.values.kinds import type_of


def classes_in(annotation: Any) -> list[type]:
    """Return every class in an annotation and in the fields of those, in an order that is the same everywhere."""
    found: dict[type, None] = {}
    waiting = [annotation]
    seen: list[Any] = []
    while waiting:
        part = waiting.pop()
        # Annotations need not be hashable, and equal ones need not be the same: Literal[1] == Literal[True].
        if any(part is other for other in seen):
            continue
        seen.append(part)
        if isinstance(part, type) and typing.get_origin(part) is None:
            found[part] = None
            waiting.extend(reversed(list(_parts_of_class(part))))
        else:
            waiting.extend(reversed(list(_parts(part))))
    return list(found)


def _parts(annotation: Any) -> Iterator[Any]:
    """Return what an annotation that is no class is made of."""
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        yield from map(type_of, typing.get_args(annotation))
        return
    # A union is a class or not, by how it is spelled.
    if origin not in (None, typing.Union, types.UnionType):
        yield origin
    for argument in typing.get_args(annotation):
        # The parameters of a Callable are a list.
        yield from argument if isinstance(argument, list) else (argument,)
    for name in ("__bound__", "__constraints__", "__supertype__", "__value__"):
        inner = getattr(annotation, name, None)
        yield from inner if isinstance(inner, tuple) else () if inner is None else (inner,)


def _parts_of_class(kind: type[Any]) -> Iterable[Any]:
    return field_types(kind).values() if has_fields(kind) else ()


def has_fields(kind: type[Any]) -> bool:
    """Whether the annotations of a class are those of its fields."""
    return (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, msgspec.Struct)
        or is_model(kind)
        or is_named_tuple(kind)
        or hasattr(kind, "__attrs_attrs__")
        or typing.is_typeddict(kind)
    )


def is_model(kind: type[Any]) -> bool:
    """Whether it is a model of pydantic, which need not be imported for that."""
    return hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_fields")


def is_named_tuple(kind: type[Any]) -> bool:
    """Whether it is a tuple with names, annotated or not."""
    names: Any = getattr(kind, "_fields", None)
    return issubclass(kind, tuple) and isinstance(names, tuple)


def field_types(kind: type[Any]) -> dict[str, Any]:
    """Return the annotations of a class, with its bases', resolved where they can be."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        found.update(vars(base).get("__annotations__", {}))
    # A model with type parameters has its fields' types filled in.
    found.update({name: field.annotation for name, field in _model_fields(kind).items()})
    try:
        found.update(
            {
                name: hint
                for name, hint in typing.get_type_hints(kind, include_extras=True).items()
                if name not in _model_fields(kind)
            }
        )
    except (NameError, TypeError, AttributeError):
        pass  # Names that are there for type checkers alone: the texts stand.
    return found


def _model_fields(kind: type[Any]) -> dict[str, Any]:
    return dict(kind.model_fields) if is_model(kind) else {}
