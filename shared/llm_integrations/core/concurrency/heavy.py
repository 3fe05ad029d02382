"""Work that keeps a processor busy, off the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from llm_integrations.core.concurrency.weak import OneEach

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE: Final = os.cpu_count() or 1
"""A loop's pool has four threads more, which are left to what waits for files."""

_gates: Final = OneEach[asyncio.AbstractEventLoop, asyncio.Semaphore](
    lambda: asyncio.Semaphore(_AT_ONCE)
)


async def in_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """``asyncio.to_thread`` for work that computes: one for each processor at once."""
    async with _gates.of(asyncio.get_running_loop()):
        return await asyncio.to_thread(work, *args, **kwargs)
