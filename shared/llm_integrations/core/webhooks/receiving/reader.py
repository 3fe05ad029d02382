"""One subscription to an inbox: reads from its stored position and advances it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import Final

from llm_integrations.core.events.delivery.batch import handle_batch
from llm_integrations.core.events.delivery.deliverer import BatchHandler
from llm_integrations.core.observability import get_logger, log_failure
from llm_integrations.core.webhooks.lease import Lease
from llm_integrations.core.webhooks.receiving.inbox import BROADCAST, Entry, Inbox

__all__ = ["Reader"]

_LOG = get_logger(__name__)
_BATCH: Final = 100
_AFTER_AN_ERROR: Final = 2.0  # seconds


class Reader:
    """Reads events and hands them to a handler, on the event loop that subscribed.

    The processes of a group share one position, and the holder of the group's lease reads. A
    broadcast is read by every process from a position of its own; the stored one says how far
    the process that is furthest got, and is where a restarted one goes on.

    Args:
        position: where to begin.
        reached: called with this reader's position; returns the position to store.
        on_end: called once it was cancelled.
    """

    def __init__(
        self,
        inbox: Inbox,
        handler: BatchHandler,
        group: str | None,
        position: int,
        *,
        poll: float,
        reached: Callable[[Reader, int], int],
        on_end: Callable[[Reader], None],
    ) -> None:
        self.name = BROADCAST if group is None else group
        self.position = position
        self._inbox = inbox
        self._handler = handler
        self._lease = None if group is None else Lease(inbox.path, f"group {group}")
        self._poll = poll
        self._reached = reached
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    @property
    def connected(self) -> bool:
        return not self._loop.is_closed() and not self._task.done()

    def wake(self) -> None:
        """There is something to read. Callable from any thread."""
        if not self._news.is_set():
            with suppress(RuntimeError):  # its loop was closed
                self._loop.call_soon_threadsafe(self._news.set)

    async def cancel(self) -> None:
        """Stop, from any loop; an event whose handling did not end is handled again."""
        if self._loop is asyncio.get_running_loop():
            await self._stop()
        elif self.connected:
            there = asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
            await asyncio.wrap_future(there)
        self._on_end(self)

    async def _stop(self) -> None:
        self._task.cancel()
        if asyncio.current_task() is not self._task:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while True:
                await self._turn()
        finally:
            if self._lease is not None:
                self._lease.release()

    async def _turn(self) -> None:
        self._news.clear()
        try:
            busy = await self._may_read() and await self._read()
        except Exception as error:  # noqa: BLE001 - a reader that ended would leave events unhandled, unnoticed
            log_failure(_LOG, "the inbox cannot be read", error)
            await asyncio.sleep(_AFTER_AN_ERROR)
            return
        if not busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._news.wait()

    async def _may_read(self) -> bool:
        if self._lease is None or self._lease.held:
            return True
        if not self._lease.acquire():
            return False
        # The stored position is where the previous holder of the lease got to.
        self.position = await asyncio.wrap_future(self._inbox.join(self.name))
        return True

    async def _read(self) -> bool:
        entries = await asyncio.wrap_future(self._inbox.after(self.name, self.position, _BATCH))
        if not entries:
            return False
        given_up: list[tuple[int, str]] = []

        async def dead_letter(entry: Entry, reason: str) -> None:
            given_up.append((entry.seq, reason))

        await handle_batch(
            entries, attrgetter("body"), self._handler, dead_letter, transport="webhook"
        )
        position = entries[-1].seq
        done = self._inbox.advance(self.name, self._reached(self, position), given_up)
        await _even_if_cancelled(asyncio.wrap_future(done))
        self.position = position
        return True


async def _even_if_cancelled(future: asyncio.Future[None]) -> None:
    """Await a future, even if cancelled: events without a stored position are handled again."""
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise
