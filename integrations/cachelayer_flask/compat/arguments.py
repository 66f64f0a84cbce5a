"""What tells the calls of a memoized function apart: its arguments, bound, each as text.

Values that a key can be made of are typed, so 1, 1.0 and "1" differ. Others are known by `__caching_id__()`, or by the
`repr()` that their class defines; and instances of classes without either by themselves, in this process alone.
"""

from __future__ import annotations

import inspect
import secrets
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

from cachelayer.errors import KeyingError
from cachelayer.functions.encoding import UnkeyableError, class_name, encode
from cachelayer.values.kinds import type_of

_RECEIVERS: Final = ("self", "cls")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Arguments:
    """The parameters of one function.

    Args:
        function: the function, not decorated.
        ignored: names of parameters that make no difference.
    """

    def __init__(self, function: Callable[..., Any], ignored: Iterable[str] = ()) -> None:
        self._signature, self._ignored = inspect.signature(function), frozenset(ignored)
        names = [each.name for each in self._signature.parameters.values() if each.kind in _POSITIONAL]
        #: "self", "cls", or "": how its first parameter says that it is a method.
        self.receiver = names[0] if names and names[0] in _RECEIVERS else ""
        #: Whether each instance has results of its own.
        self.by_instance = self.receiver == "self" and "self" not in self._ignored

    def text(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return what tells a call from others.

        Raises:
            KeyingError: an argument has nothing that tells it from others.
            TypeError: the function does not take these arguments.
        """
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return "".join(
            f"{name}={identity(value) if name == self.receiver else _known_by(name, value)}"
            for name, value in bound.arguments.items()
            if name not in self._ignored
        )


def parameter_count(function: Callable[..., Any]) -> int:
    """Return how many arguments a function may be given by position, or as more keywords."""
    parameters = inspect.signature(function).parameters.values()
    return sum(each.kind is not inspect.Parameter.KEYWORD_ONLY for each in parameters)


def identity(value: Any) -> str:
    """Return what tells an instance or class from others."""
    if isinstance(value, type):
        return class_name(value)
    kind = type_of(value)
    own = getattr(value, "__caching_id__", None)
    if own is not None:
        return f"{class_name(kind)}:{own()}"
    if hasattr(kind, "__cache_key__"):
        return encode(value)
    if _has_own_repr(kind):
        return f"{class_name(kind)}:{value!r}"
    return f"{class_name(kind)}:{_token(value)}"


def _has_own_repr(kind: type[Any]) -> bool:
    inherited: Any = object.__repr__
    return kind.__repr__ is not inherited


def _known_by(name: str, value: Any) -> str:
    try:
        return encode(value)
    except UnkeyableError:
        pass
    if not _has_own_repr(type_of(value)):
        return identity(value)
    text = repr(value)
    if " at 0x" in text:
        raise KeyingError(
            f"{name}={text} has an address in its repr(), which the next object may have; give what it holds a "
            f"__repr__() or a __caching_id__(), or name it in args_to_ignore"
        )
    return f"{class_name(type_of(value))}:{text}"


#: By the address of each instance that has been asked for, as long as it lives.
_tokens: Final[dict[int, tuple[weakref.ref[Any], str]]] = {}


def _token(value: Any) -> str:
    """Return what no other instance has, in any process, at any time."""
    place = id(value)
    held = _tokens.get(place)
    if held is not None and held[0]() is value:
        return held[1]
    try:
        alive = weakref.ref(value, lambda ended: _forget(place, ended))
    except TypeError:
        raise KeyingError(
            f"{class_name(type_of(value))} has no identity but its address, which the next instance may have: give it "
            f"a __repr__() or a __caching_id__()"
        ) from None
    token = secrets.token_hex(8)
    _tokens[place] = (alive, token)
    return token


def _forget(place: int, ended: weakref.ref[Any]) -> None:
    held = _tokens.get(place)
    if held is not None and held[0] is ended:
        del _tokens[place]
