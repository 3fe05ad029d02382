"""Crossing from one event loop to another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["run_on", "running_loop"]


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of the caller, None in a thread without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def run_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    """Await a coroutine where it belongs; done as well if that loop ends meanwhile."""
    if running_loop() is loop:
        await work
        return
    if loop.is_closed():
        work.close()
        return
    there = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        await asyncio.wrap_future(there)
    except asyncio.CancelledError:
        if not there.cancelled() or _is_cancelling():
            raise


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
