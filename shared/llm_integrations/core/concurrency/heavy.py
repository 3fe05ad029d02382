"""Work that keeps a processor busy, off the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE: Final = os.cpu_count() or 1
"""A loop's pool has four threads more, which are left to what waits for files."""

_gates: Final[WeakKeyDictionary[Any, asyncio.Semaphore]] = WeakKeyDictionary()


async def in_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """``asyncio.to_thread`` for work that computes: one for each processor at once."""
    loop = asyncio.get_running_loop()
    gate = _gates.get(loop)
    if gate is None:
        gate = _gates[loop] = asyncio.Semaphore(_AT_ONCE)
    async with gate:
        return await asyncio.to_thread(work, *args, **kwargs)
