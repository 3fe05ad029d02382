"""A listener for programs without an event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any, Protocol, Self

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.listener.health import ListenerHealth

__all__ = ["BackgroundListener"]


class _Listener(Protocol):
    async def health(self) -> ListenerHealth: ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *_: object) -> None: ...


class BackgroundListener:
    """Runs an EventListener on a daemon thread, from now until ``stop``.

    >>> with EventListener(registry, [integration], buses=[bus]).run_in_background():
    ...     ...

    Raises:
        EventError: it could not start.
    """

    def __init__(self, listener: _Listener) -> None:
        self.listener = listener
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="llm-integrations-listener")
        self._thread.daemon = True
        self._thread.start()
        self._loop = self._started.result()

    def health(self) -> ListenerHealth:
        if not self._thread.is_alive():
            raise EventError("the listener has been stopped")
        return asyncio.run_coroutine_threadsafe(self.listener.health(), self._loop).result()

    def stop(self) -> None:
        """Stop and wait until it has. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
            if not self._started.done():
                self._started.set_exception(error)

    async def _live(self) -> None:
        async with self.listener:
            self._started.set_result(asyncio.get_running_loop())
            await self._ending.wait()
