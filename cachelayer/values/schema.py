"""Fingerprints of what values are made of, so that a deploy that changes a class is a miss, not a wrong value.

They are made of names, types and the presence of defaults, as text: the same in every process, under every
hash seed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import typing
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

import msgspec

from cachelayer.values.annotations import classes_in, field_types, is_model, is_named_tuple
from cachelayer.values.kinds import type_of

#: Bytes of a fingerprint.
SIZE: Final = 8

_PLAIN: Final = (str, bytes, int, float, bool, type(None))


def digest(*texts: str) -> bytes:
    """Return the fingerprint of some texts."""
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=SIZE).digest()


def fingerprint(annotation: Any) -> bytes:
    """Return the fingerprint of an annotation with all classes that it names, or that those name."""
    return digest(type_text(annotation), *map(schema_text, classes_in(annotation)))


def class_fingerprint(kind: type) -> bytes:
    """Return the fingerprint of one class: those of the classes that it names are not part of it."""
    return digest(schema_text(kind))


def class_name(kind: Any) -> str:
    """Return module and qualified name of a class or function."""
    return f"{kind.__module__}.{kind.__qualname__}"


def schema_text(kind: type[Any]) -> str:
    """Return what a class's instances are made of."""
    name = class_name(kind)
    if issubclass(kind, Enum):
        members = (f"{key}={_plain_text(member.value)}" for key, member in kind.__members__.items())
        return f"enum {name}({', '.join(members)})"
    defaults = _with_default(kind)
    types = field_types(kind) if kind.__module__ != "builtins" else {}
    fields = (f"{key}: {type_text(hint)}{' = ...' if key in defaults else ''}" for key, hint in types.items())
    return f"{_family(kind)} {name}({', '.join((*fields, *_extra(kind)))})"


def type_text(annotation: Any, within: tuple[Any, ...] = ()) -> str:
    """Return an annotation as text, without anything that depends on the process."""
    kind = type_of(annotation)
    if kind is str:
        return repr(annotation)
    if kind is list:
        return f"[{_listed(annotation, within)}]"
    origin = typing.get_origin(annotation)
    if origin is None:
        return _bare_text(annotation, within)
    arguments = typing.get_args(annotation)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(_plain_text, arguments))}]"
    if origin is typing.Annotated:
        notes = map(_plain_text, arguments[1:])
        return f"Annotated[{type_text(arguments[0], within)}, {', '.join(notes)}]"
    return f"{_origin_name(origin)}[{_listed(arguments, within)}]"


def _listed(annotations: Iterable[Any], within: tuple[Any, ...]) -> str:
    return ", ".join(type_text(each, within) for each in annotations)


def _bare_text(annotation: Any, within: tuple[Any, ...]) -> str:
    if isinstance(annotation, type):
        return class_name(annotation)
    if isinstance(annotation, typing.ForwardRef):
        return repr(annotation.__forward_arg__)
    # A NewType, or an alias by `type X = ...`, which may contain itself.
    meant = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    if meant is not None and not any(annotation is outer for outer in within):
        return type_text(meant, (*within, annotation))
    return getattr(annotation, "__name__", None) or type(annotation).__name__


def _origin_name(origin: Any) -> str:
    # int | str and Union[int, str] mean the same, and in newer Pythons are.
    name: str = getattr(origin, "__name__", None) or str(origin)
    return "Union" if name in ("UnionType", "Union", "typing.Union") else name


def _plain_text(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{class_name(type_of(value))}.{value.name}"
    kind = type_of(value)
    if kind is tuple:
        return f"({', '.join(map(_plain_text, value))})"
    return repr(value) if kind in _PLAIN else class_name(kind)


def _family(kind: type[Any]) -> str:
    """Return how the class keeps its fields, which decides how they are written."""
    if issubclass(kind, msgspec.Struct):
        return "struct"
    if is_model(kind):
        return "model"
    if dataclasses.is_dataclass(kind):
        return "dataclass"
    return "tuple" if issubclass(kind, tuple) else "class"


def _extra(kind: type[Any]) -> Iterable[str]:
    """Return what beside its fields' types matters: names on the wire, and fields that have no annotation."""
    if issubclass(kind, msgspec.Struct):
        config = kind.__struct_config__
        return (*map(repr, kind.__struct_encode_fields__), repr(config.tag), str(config.array_like))
    if is_model(kind):
        return sorted(getattr(kind, "__private_attributes__", {}))
    return map(repr, kind._fields) if is_named_tuple(kind) else ()


def _with_default(kind: type[Any]) -> set[str]:
    """Return the names of the fields that may be left out."""
    if issubclass(kind, msgspec.Struct):
        defaults = kind.__struct_defaults__
        names = kind.__struct_fields__[len(kind.__struct_fields__) - len(defaults) :]
        return {name for name, given in zip(names, defaults, strict=True) if given is not msgspec.NODEFAULT}
    if is_model(kind):
        return {name for name, field in kind.model_fields.items() if not field.is_required()}
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        fields = dataclasses.fields(kind)
        return {
            each.name for each in fields if each.default is not missing or each.default_factory is not missing
        }
    return set(getattr(kind, "_field_defaults", {})) | set(inspect.get_annotations(kind)) & set(vars(kind))
