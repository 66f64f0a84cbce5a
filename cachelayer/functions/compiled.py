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
                for _tag in _entry.tags:
                    if not _tag.alive:
                        raise KeyError"""
_SOURCE: Final = """\
def _make(_slow, _get):
    _now = _touch = _tick = None
    def _bind(now, touch, tick):
        nonlocal _now, _touch, _tick
        _now, _touch, _tick = now, touch, tick
    {keyword} {name}({declaration}):{receiver}{hit}
        return {wait}_slow({call}, {place})
    return {name}, _bind
_compiled = _make
"""
_TRY: Final = """
        _place = {place}
        try:
            _entry = {get}(_place)
            if _entry is not None and _entry.fresh_until > _now():{tags}
                _load = _entry.load
                _value = _entry.payload if _load is None else _load(_entry.payload)
                _touch(_entry.key)
                _tick()
                return _value
        # Not hashable, dead, or gone since: `slow` finds out, and calls what there is to call.
        except (KeyError, TypeError):
            pass"""
_RECEIVER: Final = """
        _instance = _bound.instance"""

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
    get = "_get[_id(_instance)]" if bound else "_get"
    tags = _TAGS if tagged else ""
    hit = _TRY.format(get=get, place=parameters.place(skip=skip), tags=tags) if parameters.fixed else ""
    return _SOURCE.format(
        keyword="async def" if is_async else "def",
        name=name,
        declaration=", ".join(filter(None, ("_bound, /" if bound else "", declared))),
        receiver=_RECEIVER if bound else "",
        hit=hit,
        wait="await " if is_async else "",
        call=parameters.forwarding("_instance" if bound else None),
        place=parameters.simple_place(skip=skip),
    )


def _build(
    parameters: Parameters, name: str, source: str, slow: Callable[..., Any], get: Any
) -> tuple[Callable[..., Any], Bind]:
    scope = {"_type": type, "_id": id, "_simple": SIMPLE, **parameters.defaults}
    make = compile_function(name, source, scope)
    call, bind = make(slow, get)
    # So that a wrong call's TypeError names the function as the user knows it.
    call.__qualname__ = name
    return call, bind
