"""Trees with instances of known classes in them.

    MessagePack of [digests of the classes, node]; an instance is a node with the place of its class among the digests

Only classes that the return annotation names, or that were registered, are ever made an instance of, and only where
the digest is that of the class as it is now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cachelayer.errors import DecodingError, EncodingError
from cachelayer.values import registry
from cachelayer.values.annotations import classes_in
from cachelayer.values.classes import Plan, plan_of
from cachelayer.values.kinds import type_of
from cachelayer.values.nodes import refuse
from cachelayer.values.schema import class_name, type_text
from cachelayer.values.tree import OBJECT, all_up, down, is_plain, pack_plain, unpack_plain, up


class ObjectCodec:
    """Encodes and decodes values with instances of the classes that an annotation names, or that were registered.

    Args:
        annotation: any type, or None.
    """

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._by_class: dict[type, Plan] = {}
        for kind in classes_in(annotation):
            plan = None if is_plain(kind) else plan_of(kind)
            if plan is not None:
                self._by_class[kind] = plan
        self._by_digest = {plan.digest: plan for plan in self._by_class.values()}

    def encode(self, value: Any) -> bytes:
        """Return the value's bytes, or raise EncodingError."""
        try:
            writing = _Writing(self._plan)
            node = down(value, 0, writing)
            return pack_plain([writing.digests, node])
        except (ValueError, OverflowError, RecursionError) as error:
            raise EncodingError(f"cannot be encoded: {error}") from None

    def decode(self, data: bytes) -> Any:
        """Return the value, or raise DecodingError."""
        try:
            digests, node = unpack_plain(data)
            return up(node, _Reading([self._found(digest) for digest in digests]))
        except DecodingError:
            raise
        # Foreign bytes can break a class in any way; whichever way, they are not a value of ours.
        except Exception as error:  # noqa: BLE001
            raise DecodingError(f"damaged value: {error}") from None

    def _plan(self, kind: type) -> Plan:
        # What was registered goes first: somebody took care of it.
        plan = registry.BY_CLASS.get(kind) or self._by_class.get(kind)
        if plan is not None:
            return plan
        if self._annotation is None:
            raise refuse(kind)
        raise EncodingError(
            f"{class_name(kind)} is not named in the return annotation {type_text(self._annotation)}, "
            f"and no codec is registered for it"
        )

    def _found(self, digest: bytes) -> Plan:
        plan = self._by_digest.get(digest) or registry.BY_DIGEST.get(digest)
        if plan is None:
            raise DecodingError("a class of it has changed, or is not known here")
        return plan


class _Writing:
    """The classes met while one value is written."""

    def __init__(self, plan_for: Callable[[type], Plan]) -> None:
        self._plan_for = plan_for
        self._places: dict[type, int] = {}
        self._plans: list[Plan] = []

    @property
    def digests(self) -> list[bytes]:
        return [plan.digest for plan in self._plans]

    def write(self, value: Any, depth: int) -> list[Any]:
        kind = type_of(value)
        place = self._places.get(kind)
        if place is None:
            place = self._places[kind] = len(self._plans)
            self._plans.append(self._plan_for(kind))
        plan: Plan = self._plans[place]
        node = [OBJECT, place, *(down(part, depth, self) for part in self._parts(plan, value))]
        if not plan.is_proven:
            plan.prove(value, self._again(node))
        return node

    def _parts(self, plan: Plan, value: Any) -> Any:
        try:
            return plan.take_apart(value)
        except EncodingError:
            raise
        # encode= of register_codec, properties, __getattr__: whoever's they are, the value cannot be encoded.
        except Exception as error:  # noqa: BLE001
            raise EncodingError(f"{class_name(plan.kind)} cannot be encoded: {error!r}") from None

    def _again(self, node: list[Any]) -> Any:
        try:
            return up(unpack_plain(pack_plain(node)), _Reading(self._plans))
        except Exception as error:  # noqa: BLE001 - decode= of register_codec raises what it likes
            raise EncodingError(f"does not come back from its bytes: {error!r}") from None


class _Reading:
    """The classes that one value's bytes speak of."""

    def __init__(self, plans: list[Plan]) -> None:
        self._plans = plans

    def read(self, parts: list[Any]) -> Any:
        place: int = parts[0]
        return self._plans[place].put_together(all_up(parts[1:], self))
