"""Codecs that users register for classes of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer.values.classes import Plan, plan_of
from cachelayer.values.schema import class_name, digest
from cachelayer.values.tree import is_plain

T = TypeVar("T")

BY_CLASS: Final[dict[type, Plan]] = {}
BY_DIGEST: Final[dict[bytes, Plan]] = {}


@overload
def register_codec(kind: type[T], /, *, replace: bool = False) -> None: ...
@overload
def register_codec(
    kind: type[T],
    /,
    encode: Callable[[T], Any],
    decode: Callable[[Any], T],
    *,
    name: str | None = None,
    replace: bool = False,
) -> None: ...
def register_codec(
    kind: type[Any],
    /,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    *,
    name: str | None = None,
    replace: bool = False,
) -> None:
    """Let values of a class into shared stores, at any depth, whether or not a return annotation names it.

    Subclasses are not meant: they would come back as `kind`. Without `encode` and `decode` the class must be a
    dataclass, Struct, named tuple, enum, attrs class or a model of pydantic, and its fields are what is stored.

    Args:
        kind: the class.
        encode: returns what stands for an instance: plain values, or instances of other classes that are known.
        decode: makes an instance of that. Bytes in a store may be anybody's, so it should raise for what is no
            value of `encode`'s; whatever it raises counts as a miss.
        name: what the stored bytes call this codec. Give it another one when what `encode` returns changes: what
            is stored under the old name is then a miss. Default: module and qualified name of the class.
        replace: allow it although the class or the name has a codec.

    Raises:
        ConfigurationError: the class or the name has a codec already.
        OptionTypeError: an argument is of the wrong type, or the class needs `encode` and `decode`.
    """
    plan = _make_plan(kind, encode, decode, name)
    if is_plain(kind):
        raise ConfigurationError(f"{class_name(kind)} has a codec of the library's, which cannot be replaced")
    old, other = BY_CLASS.get(kind), BY_DIGEST.get(plan.digest)
    if not replace and not (other is None or _is_reloaded(other.kind, kind)):
        raise ConfigurationError(
            f"there is a codec of that name, for {class_name(other.kind)}: pass another name=, or replace=True"
        )
    if old is not None and not replace:
        raise ConfigurationError(
            f"{class_name(kind)} has a codec: pass replace=True to use another from now on"
        )
    for plan_before in (old, other):
        if plan_before is not None:
            BY_CLASS.pop(plan_before.kind, None)
            BY_DIGEST.pop(plan_before.digest, None)
    BY_CLASS[kind] = BY_DIGEST[plan.digest] = plan


def unregister_codec(kind: type[Any], /) -> None:
    """Take back what `register_codec` did for a class; raises ConfigurationError where it did nothing."""
    plan = BY_CLASS.pop(kind, None)
    if plan is None:
        raise ConfigurationError(f"{class_name(kind)} has no codec that was registered")
    BY_DIGEST.pop(plan.digest, None)


def _make_plan(
    kind: Any, encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None, name: str | None
) -> Plan:
    if not isinstance(kind, type):
        raise OptionTypeError(f"register_codec takes a class, not {kind!r}")
    if encode is None and decode is None:
        plan = plan_of(kind)
        if plan is None or name is not None:
            raise OptionTypeError(
                f"register_codec needs encode and decode for {class_name(kind)}"
                if plan is None
                else "name= goes with encode and decode: fields speak for themselves"
            )
        return plan
    if not callable(encode) or not callable(decode):
        raise OptionTypeError("encode and decode must both be callables")
    if name is not None and (not isinstance(name, str) or not name):
        raise OptionTypeError(f"name must be a text that is not empty, not {name!r}")
    called = digest("codec", name or class_name(kind))
    return Plan(kind, called, lambda value: [encode(value)], lambda parts: decode(*parts))


def _is_reloaded(old: type, new: type) -> bool:
    """Whether `new` is `old` defined again, as in a notebook."""
    return old is not new and class_name(old) == class_name(new)
