"""The event loop, on a thread of its own, that every dispatcher of this process delivers on."""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Final, TypeVar

from llm_integrations.core.concurrency.loop_thread import LoopThread

__all__ = ["begin"]

T = TypeVar("T")

_DELIVERIES: Final = LoopThread("llm-integrations-webhooks")

atexit.register(_DELIVERIES.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_DELIVERIES.forget)


def begin(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine there. Cancelling the future cancels it."""
    future: Future[T] = Future()
    _DELIVERIES.spawn(_settle(work, future))
    return future


async def _settle(work: Coroutine[Any, Any, T], future: Future[T]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def pass_on(ended: Future[T]) -> None:
        if ended.cancelled() and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    future.add_done_callback(pass_on)
    # The caller may cancel the future at the very moment that it gets its result.
    with suppress(InvalidStateError):
        try:
            future.set_result(await task)
        except asyncio.CancelledError:
            future.cancel()
        except Exception as error:  # noqa: BLE001 - it is the caller's to handle
            future.set_exception(error)
