"""One future for the answer of the background loop; any number of threads and tasks wait on it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from llm_integrations.core.concurrency.loop_thread import LoopThread
from llm_integrations.core.errors import LLMIntegrationsError, RegistryError

__all__ = ["BUSES", "CALLS", "IO", "Pending", "closed_error", "copy_of", "launch"]

T = TypeVar("T")

IO: Final = LoopThread("llm-integrations-io")
"""Where every request to a registry runs; nothing on it may block."""

CALLS: Final = LoopThread("llm-integrations-calls")
"""Where ``Registry.run`` runs other people's coroutines, which may block or wait for ``IO``."""

BUSES: Final = LoopThread("llm-integrations-buses")
"""Where ``connect(bus=…)`` publishes: other people's code as well, and ``IO`` waits for it."""


def closed_error() -> RegistryError:
    return RegistryError("this registry client is closed")


def copy_of(error: LLMIntegrationsError) -> LLMIntegrationsError:
    """A copy to raise: an exception raised by several threads would collect all their frames."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = True
    return copied


class Pending(Generic[T]):
    """A future: ``wait()`` on a thread, ``await`` on a task. Giving up waiting stops nothing."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: Future[T] = Future()
        # From now on cancel() has no effect, so that one waiter's end is not everybody's.
        self._future.set_running_or_notify_cancel()

    def resolve(self, value: T) -> None:
        with suppress(InvalidStateError):  # closing the client came first
            self._future.set_result(value)

    def reject(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self._future.set_exception(error)

    def follow(self, work: Future[T]) -> None:
        """Take over the outcome of work that is done."""
        error = closed_error() if work.cancelled() else work.exception()
        if error is None:
            self.resolve(work.result())
        else:
            self.reject(error)

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
            raise copy_of(error) from error.__cause__

    def __await__(self) -> Generator[Any, None, T]:
        try:
            return (yield from asyncio.wrap_future(self._future).__await__())
        except LLMIntegrationsError as error:
            raise copy_of(error) from error.__cause__


def launch(work: Coroutine[Any, Any, T], pending: Pending[T], thread: LoopThread = IO) -> None:
    """Run a coroutine on a background loop and hand its outcome to whoever waits."""
    thread.run(work).add_done_callback(pending.follow)
