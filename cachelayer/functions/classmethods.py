"""`@cached` above and below `@classmethod`: both bind the cached function to the class that it is found on.

Above, the decorator returns a `CachedClassMethod`. Below, `classmethod` binds: up to Python 3.12 by asking the cached
function to, since 3.13 to a plain method object, whose verbs would know nothing of the class. There the class gets a
`CachedClassMethod` as it is made: something in its body, which is gone before anybody sees the class, is told by
`__set_name__` that the class is there. Where no class body runs, as for `type("Name", (), {...})`, `@cached` has to be
above.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from cachelayer.values.kinds import type_of

if TYPE_CHECKING:
    _ClassMethod = classmethod[Any, Any, Any]
else:
    _ClassMethod = classmethod

#: Whether `classmethod` asks what is below it to bind to the class.
CHAINS: Final = sys.version_info < (3, 13)

_NAME: Final = "__cachelayer_classmethods__"


class CachedClassMethod(_ClassMethod):
    """A cached function that is bound to the class that it is found on."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to the class."""
        return self.__func__.__get__(type_of(instance) if owner is None else owner)


def bind_in_class(function: Callable[..., Any], is_cached: Callable[[Any], bool]) -> None:
    """Let the class in whose body `function` is written bind what `@classmethod` is put on.

    Args:
        function: as the user wrote it.
        is_cached: tells cached functions.
    """
    owner, _, _ = function.__qualname__.rpartition(".")
    body = _class_body(inspect.currentframe(), owner) if owner else None
    if body is not None:
        body[_NAME] = _Exchange(is_cached)


class _Exchange:
    """Puts a `CachedClassMethod` in the place of each classmethod of a cached function, in the class it is part of."""

    def __init__(self, is_cached: Callable[[Any], bool]) -> None:
        self._is_cached = is_cached

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # A descriptor is no member of an Enum.
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        type.__delattr__(owner, name)
        for place, value in list(vars(owner).items()):
            if type_of(value) is classmethod and self._is_cached(value.__func__):
                type.__setattr__(owner, place, CachedClassMethod(value.__func__))


def _class_body(frame: FrameType | None, qualname: str) -> dict[str, Any] | None:
    """Return the namespace of the class body of that name which runs now."""
    while frame is not None:
        # Not so for functions, whose local variables it would be costly to look at.
        if (
            not frame.f_code.co_flags & inspect.CO_OPTIMIZED
            and frame.f_locals.get("__qualname__") == qualname
        ):
            return frame.f_locals
        frame = frame.f_back
    return None
