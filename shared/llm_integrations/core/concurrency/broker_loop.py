"""The event loop, on a thread of its own, that connections for publishing live on.

So one connection serves publishers on any thread or loop, outlives ``asyncio.run``, and can be
closed from anywhere.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from llm_integrations.core.concurrency.loop_thread import LoopThread

__all__ = ["on_broker_loop"]

T = TypeVar("T")

_BROKERS: Final = LoopThread("llm-integrations-events")

atexit.register(_BROKERS.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BROKERS.forget)


async def on_broker_loop(work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine there. Cancelling the caller cancels it."""
    if _BROKERS.is_current:
        return await work
    outcome: Future[T] = Future()
    _BROKERS.spawn(_settle(work, outcome))
    return await asyncio.wrap_future(outcome)


async def _settle(work: Coroutine[Any, Any, T], outcome: Future[T]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def pass_on(ended: Future[T]) -> None:
        if ended.cancelled() and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    outcome.add_done_callback(pass_on)
    await asyncio.wait({task})
    if not outcome.set_running_or_notify_cancel():
        return
    error = None if task.cancelled() else task.exception()
    if task.cancelled():
        outcome.set_exception(asyncio.CancelledError())
    elif error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
