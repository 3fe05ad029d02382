"""Event loops on daemon threads, so that no fetch ever runs on a caller's thread or loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final

__all__ = ["CALLS", "IO", "LoopThread"]

_GOODBYE = 1.0  # seconds that unfinished work gets at the end of the process


class LoopThread:
    """One event loop on one daemon thread: started on first use, and anew in a forked child."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        # Loops of a parent process. Collecting one here would warn about it and touch its sockets.
        self._inherited: list[object] = []

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this thread, where waiting would wait for ever."""
        return threading.current_thread() is self._thread

    @property
    def is_running(self) -> bool:
        return self._loop is not None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that handles its own errors. Callable from any thread."""
        self._running().call_soon_threadsafe(self._begin, work)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        # The loop itself holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            return self._loop or self._start()

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name=self._name, daemon=True
        )
        self._thread.start()
        self._loop = loop
        return loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    def stop(self) -> None:
        """Cancel what runs and end the thread; the next ``spawn`` starts another."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._wind_up(), loop)
        thread.join(_GOODBYE)
        if not thread.is_alive():
            loop.close()

    async def _wind_up(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_GOODBYE / 2)
        loop = asyncio.get_running_loop()
        await loop.shutdown_asyncgens()
        loop.call_soon(loop.stop)

    def forget(self) -> None:
        """In a forked child: the thread stayed in the parent."""
        self._inherited.append((self._loop, self._tasks))
        self._lock = threading.Lock()
        self._loop = self._thread = None
        self._tasks = set()


IO: Final = LoopThread("llm-integrations-io")
"""Where every request to a registry runs; nothing on it may block."""

CALLS: Final = LoopThread("llm-integrations-calls")
"""Where ``Registry.run`` runs other people's coroutines, which may block or wait for ``IO``."""

for _thread in (IO, CALLS):
    atexit.register(_thread.stop)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_thread.forget)
