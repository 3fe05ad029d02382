"""Event loops on daemon threads: for work that must outlive its caller's loop, or hold up none."""

from __future__ import annotations

import asyncio
import atexit
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from llm_integrations.core.concurrency.fork import survive_fork

__all__ = ["LoopThread"]

T = TypeVar("T")

_GOODBYE: Final = 1.0  # seconds that unfinished work gets when the thread is stopped

_LOOKUPS: Final = 32  # of names, at once

# Loops of a parent process. Collecting one in a child would warn about it and touch its sockets.
_inherited: Final[list[object]] = []


class LoopThread:
    """One event loop on one daemon thread: started on first use, and anew in a forked child.

    What still runs on it when the process ends is cancelled and given a second.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._names: ThreadPoolExecutor | None = None
        # The loop itself holds its tasks weakly; each future holds its task.
        self._futures: set[Future[Any]] = set()
        survive_fork(self)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on this thread, where blocking would wait for ever."""
        return threading.current_thread() is self._thread

    @property
    def is_running(self) -> bool:
        return self._loop is not None

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there, from any thread. Cancelling the future cancels the coroutine.

        At the end of the process, when the loop is gone, the future is cancelled at once.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._running())
        except RuntimeError:
            work.close()
            future = Future()
            future.cancel()
            return future
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine that runs there. Cancelling the caller cancels it."""
        if self.is_current:
            return await work
        return await asyncio.wrap_future(self.run(work))

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        with self.lock:
            return self._loop or self._start()

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._names = _look_up_names_apart(loop)
        self._thread = threading.Thread(
            target=_run_forever, args=(loop,), name=self._name, daemon=True
        )
        self._thread.start()
        # Here and not at the import, so that the thread started last is stopped first: it may
        # wait for the others.
        atexit.register(self.stop)
        self._loop = loop
        return loop

    def stop(self) -> None:
        """Cancel what runs and end the thread; the next ``run`` starts another."""
        with self.lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        atexit.unregister(self.stop)
        if loop is None or thread is None or not thread.is_alive():
            return
        if self._names is not None:
            self._names.shutdown(wait=False, cancel_futures=True)
        asyncio.run_coroutine_threadsafe(_wind_up(), loop)
        thread.join(_GOODBYE)
        if not thread.is_alive():
            loop.close()

    def after_fork(self) -> None:
        """In a forked child: the thread stayed in the parent."""
        _inherited.append((self._loop, self._futures))
        self.lock = threading.Lock()
        self._loop = self._thread = None
        self._futures = set()


def _look_up_names_apart(loop: asyncio.AbstractEventLoop) -> ThreadPoolExecutor:
    """Give the loop threads for looking up names.

    Where no name server answers, a lookup takes half a minute, whatever gave up on it; on the
    loop's own few threads everything that reads a file or computes would wait behind it.
    """
    threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="names")

    async def getaddrinfo(host: Any, port: Any, **asked: int) -> list[Any]:
        return await loop.run_in_executor(threads, partial(socket.getaddrinfo, host, port, **asked))

    with suppress(AttributeError):  # a loop written in C has threads of its own for that
        loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]  # the loop has no other way
    return threads


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        try:
            return loop.run_forever()
        except (KeyboardInterrupt, SystemExit):
            # A coroutine raised it: its future has it, and the other coroutines need the loop.
            continue


async def _wind_up() -> None:
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_GOODBYE / 2)
    await loop.shutdown_asyncgens()
    loop.call_soon(loop.stop)
