"""The two drivers of a flow. They take its steps, and throw a step's error back into it."""

from __future__ import annotations

from typing import TypeVar

from cachelayer.flow.steps import Flow

T = TypeVar("T")


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
