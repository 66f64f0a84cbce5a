"""Flows: code without a colour. A generator yields steps, and a driver takes them, in sync or in async code.

A step's result is sent back into the flow, a step's error thrown back into it: the flow decides about both. A flow
can be driven by hand in a test, with no mock.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Step(Protocol):
    """One thing that a flow wants done: it knows how to be taken in sync and in async code."""

    def take(self) -> Any:
        """Do it, blocking."""
        ...

    async def atake(self) -> Any:
        """Do it without blocking the event loop."""
        ...


#: A flow yields steps, is sent their results (or thrown their errors), and returns a T.
Flow = Generator[Step, Any, T]


def run(flow: Flow[T]) -> T:
    """Drive `flow` in sync code; return what it returns."""
    try:
        step = next(flow)
        while True:
            try:
                result = step.take()
            except BaseException as error:  # noqa: BLE001 - the flow decides about all of them
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def arun(flow: Flow[T]) -> T:
    """Drive `flow` in async code; return what it returns."""
    try:
        step = next(flow)
        while True:
            try:
                result = await step.atake()
            except BaseException as error:  # noqa: BLE001 - the flow decides about all of them
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
