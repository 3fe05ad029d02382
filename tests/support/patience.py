"""Waiting for what happens on another thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["eventually", "until"]


def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Block until the condition holds; fail after ``timeout`` seconds."""
    due = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < due, "it did not happen in time"
        time.sleep(0.002)


async def eventually(condition: Callable[[], object]) -> None:
    """``until`` for coroutines."""
    due = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < due, "it did not happen in time"
        await asyncio.sleep(0.002)
