"""Cached exceptions: what is needed to raise a fresh one each time, and no frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cachelayer.errors import DecodingError
from cachelayer.values.kinds import type_of
from cachelayer.values.tree import decode_tree, encode_tree


def take_apart(error: BaseException) -> tuple[type[BaseException], tuple[Any, ...], dict[str, Any]]:
    """Return class, args and attributes: the exception without its traceback, cause and context."""
    return type(error), error.args, {name: item for name, item in vars(error).items() if name != "__notes__"}


def put_together(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Return a new exception. `__init__` is not run: its parameters need not be `args`."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def encode_exception(error: BaseException) -> bytes:
    """Return the exception as bytes, or raise EncodingError where its arguments have no safe encoding."""
    kind, args, state = take_apart(error)
    return encode_tree((_name(kind), args, state))


def decode_exception(data: bytes, allowed: Iterable[type[BaseException]]) -> BaseException:
    """Return a fresh exception; only the `allowed` classes and their subclasses can come out of a store."""
    name, args, state = _checked(decode_tree(data))
    for kind in _with_subclasses(allowed):
        if _name(kind) == name:
            return put_together(kind, args, state)
    raise DecodingError(f"{name} is not one of the exceptions that may be cached here")


def _checked(parts: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    if type_of(parts) is not tuple or [type_of(part) for part in parts] != [str, tuple, dict]:
        raise DecodingError("not an exception")
    return parts  # type: ignore[no-any-return]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _with_subclasses(kinds: Iterable[type[BaseException]]) -> Iterator[type[BaseException]]:
    for kind in kinds:
        yield kind
        yield from _with_subclasses(kind.__subclasses__())
