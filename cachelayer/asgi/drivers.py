"""What drives flows: the event loop that runs, or what stands in for it."""

from __future__ import annotations

import asyncio
import functools
import warnings
from typing import Any, TypeVar

from cachelayer.asgi.types import Drive
from cachelayer.flows import Flow, arun, run

T = TypeVar("T")


async def run_here(flow: Flow[T]) -> T:
    """Drive a flow that waits for nothing."""
    return run(flow)


def driver() -> Drive | None:
    """Return what drives flows under the event loop that runs; None where nothing can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _driver_without_asyncio()
    return arun


@functools.cache
def _driver_without_asyncio() -> Drive | None:
    try:
        from anyio import to_thread  # noqa: PLC0415 - needed under trio only
    except ImportError:
        warnings.warn(
            "this event loop is not asyncio's: requests pass uncached; pip install anyio, or use the memory backend",
            RuntimeWarning,
            stacklevel=2,
        )
        return None

    async def drive(flow: Flow[Any]) -> Any:
        return await to_thread.run_sync(run, flow)

    return drive
