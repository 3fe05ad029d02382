"""An answer on its way: one future that any number of threads and tasks wait on."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from llm_integrations.core.concurrency.loop_thread import IO, LoopThread
from llm_integrations.core.errors import LLMIntegrationsError, RegistryError

__all__ = ["Pending", "again", "closed_error", "launch"]

T = TypeVar("T")


def closed_error() -> RegistryError:
    return RegistryError("this registry client is closed")


def again(error: LLMIntegrationsError) -> LLMIntegrationsError:
    """A copy to raise: an exception raised by several threads would collect all their frames."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = True
    return copied


class Pending(Generic[T]):
    """Wait for it with ``wait()`` on a thread or ``await`` on a task. Giving up stops nothing."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: Future[T] = Future()
        # From now on cancel() has no effect, so that one waiter's end is not everybody's.
        self._future.set_running_or_notify_cancel()

    def resolve(self, value: T) -> None:
        if not self._future.done():
            self._future.set_result(value)

    def reject(self, error: BaseException) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    def when_done(self, tell: Callable[[Pending[T]], None]) -> None:
        self._future.add_done_callback(lambda _: tell(self))

    def wait(self) -> T:
        """Block this thread until the answer is here."""
        if IO.is_current and not self._future.done():
            raise RegistryError(
                "this would wait for itself: it runs on the registry client's own event loop; "
                "await the same call on registry.aio"
            )
        try:
            return self._future.result()
        except LLMIntegrationsError as error:
            raise again(error) from error.__cause__

    def __await__(self) -> Generator[Any, None, T]:
        try:
            return (yield from asyncio.wrap_future(self._future).__await__())
        except LLMIntegrationsError as error:
            raise again(error) from error.__cause__


def launch(work: Callable[[], Awaitable[T]], pending: Pending[T], thread: LoopThread = IO) -> None:
    """Run ``work`` on a background loop and hand its outcome to whoever waits."""
    coroutine = _run(work, pending)
    try:
        thread.spawn(coroutine)
    except RuntimeError:  # the process is ending, and the loop with it
        coroutine.close()
        pending.reject(closed_error())


async def _run(work: Callable[[], Awaitable[T]], pending: Pending[T]) -> None:
    try:
        pending.resolve(await work())
    except asyncio.CancelledError:
        pending.reject(closed_error())
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the waiters
        pending.reject(error)
