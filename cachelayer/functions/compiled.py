"""The hit path, generated for each function.

A call whose arguments are simple goes: one dict read from the arguments themselves to the store's own entry, one look
at the clock, the value, its recency, its count. Everything else is `slow`. Parts that a function does not use are
not in its code. The generated function has the function's own parameters, so that the interpreter binds them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cachelayer.functions.parameters import SIMPLE, Parameters, compile_function

_TAGS: Final = """
                for _cl_tag in _cl_entry.tags:
                    if not _cl_tag.alive:
                        raise KeyError"""
_SOURCE: Final = """\
def _cl_make(_cl_slow, _cl_get):
    _cl_now = _cl_touch = _cl_tick = None
    def _cl_bind(now, touch, tick):
        nonlocal _cl_now, _cl_touch, _cl_tick
        _cl_now, _cl_touch, _cl_tick = now, touch, tick
    {keyword} {name}({declaration}):{receiver}{hit}
        return {wait}_cl_slow({call}, {place})
    return {name}, _cl_bind
_cl_compiled = _cl_make
"""
_TRY: Final = """
        _cl_place = {place}
        try:
            _cl_entry = {get}(_cl_place)
            if _cl_entry is not None and _cl_entry.fresh_until > _cl_now():{tags}
                _cl_load = _cl_entry.load
                _cl_value = _cl_entry.payload if _cl_load is None else _cl_load(_cl_entry.payload)
                _cl_touch(_cl_entry.key)
                _cl_tick()
                return _cl_value
        # Not hashable, dead, or gone since: `slow` finds out, and calls what there is to call.
        except (KeyError, TypeError):
            pass"""
_RECEIVER: Final = """
        _cl_instance = _cl_bound.instance"""

#: (now, touch, tick): what a hit needs of the cache that the function is bound to.
Bind = Callable[[Any, Any, Any], None]


def compile_call(
    parameters: Parameters, name: str, slow: Callable[..., Any], get: Any, *, is_async: bool, tagged: bool
) -> tuple[Callable[..., Any], Bind]:
    """Return the callable of a plain function, and what binds it to a cache."""
    source = _fill(parameters, name, is_async=is_async, tagged=tagged, bound=False)
    return _build(parameters, name, source, slow, get)


def compile_bound_call(
    parameters: Parameters, name: str, slow: Callable[..., Any], get: Any, *, is_async: bool, tagged: bool
) -> tuple[Callable[..., Any], Bind]:
    """Return the callable of a bound method, whose first parameter is the bound object; `get` is by instance."""
    source = _fill(parameters, name, is_async=is_async, tagged=tagged, bound=True)
    return _build(parameters, name, source, slow, get)


def _fill(parameters: Parameters, name: str, *, is_async: bool, tagged: bool, bound: bool) -> str:
    skip = int(bound)
    declared = parameters.declaration(skip=skip)
    get = "_cl_get[_cl_id(_cl_instance)]" if bound else "_cl_get"
    tags = _TAGS if tagged else ""
    hit = _TRY.format(get=get, place=parameters.place(skip=skip), tags=tags) if parameters.fixed else ""
    return _SOURCE.format(
        keyword="async def" if is_async else "def",
        name=name,
        declaration=", ".join(filter(None, ("_cl_bound, /" if bound else "", declared))),
        receiver=_RECEIVER if bound else "",
        hit=hit,
        wait="await " if is_async else "",
        call=parameters.forwarding("_cl_instance" if bound else None),
        place=parameters.simple_place(skip=skip),
    )


def _build(
    parameters: Parameters, name: str, source: str, slow: Callable[..., Any], get: Any
) -> tuple[Callable[..., Any], Bind]:
    scope = {"_cl_type": type, "_cl_id": id, "_cl_simple": SIMPLE, **parameters.defaults}
    make = compile_function(name, source, scope)
    call, bind = make(slow, get)
    # So that a wrong call's TypeError names the function as the user knows it.
    call.__qualname__ = name
    return call, bind
