"""The hit path, generated for each function.

A call whose arguments are simple goes: one dict read from the arguments themselves to the store's own entry, one look
at the clock, the value, its recency, its count. One hit in 64 is read once more, to time it. Everything else is `slow`.
Parts that a function does not use are not in its code. The generated function has the function's own parameters, so
that the interpreter binds them.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import msgspec

from cachelayer.context import bypasses
from cachelayer.flow.freshness import SURE, Freshness
from cachelayer.functions.parameters import SIMPLE, Parameters, compile_function

_TAGS: Final = """
                for _cl_tag in _cl_entry.tags:
                    if not _cl_tag.alive:
                        raise KeyError"""
_SOURCE: Final = """\
def _cl_make(_cl_slow, _cl_get):
    _cl_now = _cl_touch = _cl_tick = _cl_sampled = None
    def _cl_bind(get, now, touch, tick, sampled):
        nonlocal _cl_get, _cl_now, _cl_touch, _cl_tick, _cl_sampled
        _cl_get, _cl_now, _cl_touch, _cl_tick, _cl_sampled = get, now, touch, tick, sampled
    {keyword} {name}({declaration}):{receiver}{hit}
        return {wait}_cl_slow({call}, {place})
    return {name}, _cl_bind
_cl_compiled = _cl_make
"""
_TRY: Final = """
        _cl_place = {place}
        try:
            _cl_entry = {get}(_cl_place)
            if _cl_entry is not None and {until} > _cl_now() and not _cl_bypasses:{tags}
                _cl_load = _cl_entry.load
                _cl_value = _cl_entry.payload if _cl_load is None else _cl_load(_cl_entry.payload)
                _cl_touch(_cl_entry.key)
                if _cl_tick() & 63:
                    return _cl_value
                _cl_began = _cl_clock()
                {get}(_cl_place)
                if _cl_load is not None:
                    _cl_load(_cl_entry.payload)
                _cl_sampled(_cl_began, _cl_entry, _cl_now())
                return _cl_value
        # Not hashable, dead, or gone since: `slow` finds out, and calls what there is to call.
        except (KeyError, TypeError):
            pass"""
_RECEIVER: Final = """
        _cl_instance = _cl_bound.instance"""

#: (get, now, touch, tick, sampled): where entries are looked up, and what a hit needs of the cache that they are in.
Bind = Callable[[Any, Any, Any, Any, Any], None]


class Shape(msgspec.Struct, frozen=True):
    """What the generated code depends on, beside the parameters.

    Attributes:
        name: of the generated function.
        is_async: whether it is a coroutine function.
        direct: whether arguments lead straight to an entry's value: not so for generators, nor where more than the
            arguments makes the key.
        tagged: whether it looks at an entry's tags.
        freshness: how results age.
    """

    name: str
    is_async: bool
    direct: bool
    tagged: bool
    freshness: Freshness


def compile_call(
    parameters: Parameters, shape: Shape, slow: Callable[..., Any], get: Any
) -> tuple[Callable[..., Any], Bind]:
    """Return the callable of a plain function, and what binds it to a cache."""
    return _build(parameters, shape.name, _fill(parameters, shape, bound=False), slow, get)


def compile_bound_call(
    parameters: Parameters, shape: Shape, slow: Callable[..., Any], get: Any
) -> tuple[Callable[..., Any], Bind]:
    """Return the callable of a bound method, whose first parameter is the bound object; `get` is by instance."""
    return _build(parameters, shape.name, _fill(parameters, shape, bound=True), slow, get)


def _fill(parameters: Parameters, shape: Shape, *, bound: bool) -> str:
    skip = int(bound)
    declared = parameters.declaration(skip=skip)
    get = "_cl_get[_cl_id(_cl_instance)]" if bound else "_cl_get"
    parts = {"get": get, "tags": _TAGS if shape.tagged else "", "until": _surely_fresh_until(shape.freshness)}
    direct = shape.direct and parameters.fixed
    hit = _TRY.format(place=parameters.place(skip=skip), **parts) if direct else ""
    return _SOURCE.format(
        keyword="async def" if shape.is_async else "def",
        name=shape.name,
        declaration=", ".join(filter(None, ("_cl_bound, /" if bound else "", declared))),
        receiver=_RECEIVER if bound else "",
        hit=hit,
        wait="await " if shape.is_async else "",
        call=parameters.forwarding("_cl_instance" if bound else None),
        place=parameters.simple_place(skip=skip) if shape.direct else None,
    )


def _surely_fresh_until(freshness: Freshness) -> str:
    """Return the source of the time before which there is no thought of computing an entry anew."""
    times = ["_cl_entry.fresh_until"]
    if freshness.refresh_ahead is not None:
        life = "(_cl_entry.fresh_until - _cl_entry.created)"
        times.append(f"_cl_entry.created + {freshness.refresh_ahead!r} * {life}")
    if freshness.beta:
        times.append(f"_cl_entry.fresh_until - {SURE * freshness.beta!r} * _cl_entry.cost")
    return times[0] if len(times) == 1 else f"min({', '.join(times[1:])})"


def _build(
    parameters: Parameters, name: str, source: str, slow: Callable[..., Any], get: Any
) -> tuple[Callable[..., Any], Bind]:
    scope = {
        "_cl_type": type,
        "_cl_id": id,
        "_cl_simple": SIMPLE,
        "_cl_bypasses": bypasses,
        "_cl_clock": perf_counter,
        **parameters.defaults,
    }
    make = compile_function(name, source, scope)
    call, bind = make(slow, get)
    # So that a wrong call's TypeError names the function as the user knows it.
    call.__qualname__ = name
    return call, bind
