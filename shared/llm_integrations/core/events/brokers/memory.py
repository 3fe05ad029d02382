"""A bus within one process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import ClassVar, Final

from llm_integrations.core.concurrency.loop_crossing import run_on, running_loop
from llm_integrations.core.errors import EventError
from llm_integrations.core.events.bus import BusHealth, EventBus, OnGap, Subscription
from llm_integrations.core.events.delivery.batch import ask_handler
from llm_integrations.core.events.delivery.dead_letter import DeadLetter
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_published, shard_of
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.reprs import never_raises

__all__ = ["InMemoryEventBus"]

_BATCH: Final = 500


class InMemoryEventBus(EventBus):
    """Carries events between the threads and event loops of this process; keeps nothing.

    ``publish`` returns once the event waits at every subscription; ``flush`` waits for the
    handlers. What a handler gave up is in ``dead_letters``, the newest thousand.

    Args:
        delivery: retries and breaker of each handler.
        max_waiting: events that may wait at one subscription; beyond it ``publish`` raises.
    """

    transport: ClassVar[str] = "memory"

    def __init__(
        self, *, delivery: DeliveryOptions | None = None, max_waiting: int = 100_000
    ) -> None:
        super().__init__(delivery=delivery)
        self.dead_letters: deque[DeadLetter] = deque(maxlen=1000)
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._members: list[_Member] = []
        self._closed = False

    @never_raises
    def __repr__(self) -> str:
        return f"InMemoryEventBus({len(self._members)} subscriptions)"

    async def publish(self, event: SchemaEvent) -> None:
        if self._closed:
            raise EventError("the bus is closed")
        count_published(self.transport, event)
        full = [member for member in self._receivers(event) if not member.put(event)]
        if full:
            raise EventError(
                f"{len(full)} subscriptions have {self._max_waiting} events waiting already"
            )
        await asyncio.sleep(0)  # gives handlers on this loop a turn

    async def subscribe_batches(
        self,
        handler: BatchHandler,
        *,
        group: str | None = None,
        on_gap: OnGap | None = None,  # noqa: ARG002 - without a broker there is never a gap
    ) -> Subscription:
        if self._closed:
            raise EventError("the bus is closed")
        member = _Member(self, handler, group, self._max_waiting)
        with self._lock:
            self._members.append(member)
        return member

    async def flush(self) -> None:
        """Wait until every event published so far was handled or dead-lettered."""
        for member in list(self._members):
            await member.idle()

    async def health_check(self) -> BusHealth:
        waiting = sum(member.waiting for member in list(self._members))
        detail = {"subscriptions": len(self._members), "waiting": waiting}
        return BusHealth(not self._closed, self.transport, detail)

    async def close(self) -> None:
        self._closed = True
        for member in list(self._members):
            await member.cancel()

    def _receivers(self, event: SchemaEvent) -> list[_Member]:
        """Every broadcast member, and of each group the member that has the subject's shard."""
        with self._lock:
            self._members = [member for member in self._members if member.connected]
            members = list(self._members)
        receivers = [member for member in members if member.group is None]
        for group in {member.group for member in members if member.group is not None}:
            sharing = [member for member in members if member.group == group]
            receivers.append(sharing[shard_of(event.subject) % len(sharing)])
        return receivers

    def _leave(self, leaving: _Member, unhandled: list[SchemaEvent]) -> None:
        """Hand the events that a leaving member did not handle to the rest of its group."""
        with self._lock:
            self._members = [member for member in self._members if member is not leaving]
            sharing = [m for m in self._members if m.group == leaving.group]
        for event in unhandled if leaving.group is not None and sharing else ():
            sharing[shard_of(event.subject) % len(sharing)].put(event)


class _Member:
    """One subscription: a queue, and a task on the subscriber's loop that empties it."""

    def __init__(
        self, bus: InMemoryEventBus, handler: BatchHandler, group: str | None, max_waiting: int
    ) -> None:
        self.group = group
        self._bus = bus
        self._handler = handler
        self._max_waiting = max_waiting
        self._loop = asyncio.get_running_loop()
        self._queue: deque[SchemaEvent] = deque()
        self._in_hand: list[SchemaEvent] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = self._loop.create_task(self._work())

    @property
    def connected(self) -> bool:
        return not self._loop.is_closed() and not self._task.done()

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._in_hand)

    def put(self, event: SchemaEvent) -> bool:
        """Queue an event, from any thread; False when the queue is full."""
        if len(self._queue) >= self._max_waiting:
            return False
        self._queue.append(event)
        if running_loop() is self._loop:
            self._notify()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._notify)
        return True

    async def idle(self) -> None:
        """Wait until nothing waits here, from any loop."""
        if self.connected:
            await run_on(self._loop, self._until_idle())

    async def cancel(self) -> None:
        if self.connected:
            await run_on(self._loop, self._stop())
        self._bus._leave(self, self._left_over())

    def _notify(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _until_idle(self) -> None:
        if self._queue:  # queued by another thread, whose wake-up may not have run yet
            self._notify()
        waiter = asyncio.ensure_future(self._idle.wait())
        # A cancelled member never becomes idle: do not wait for it.
        await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()

    async def _stop(self) -> None:
        self._task.cancel()
        if asyncio.current_task() is not self._task:
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                size = min(_BATCH, len(self._queue))
                self._in_hand = [self._queue.popleft() for _ in range(size)]
                reasons = await ask_handler(self._handler, self._in_hand)
                self._bus.dead_letters.extend(
                    DeadLetter(event, reason, self.group)
                    for event, reason in zip(self._in_hand, reasons, strict=True)
                    if reason is not None
                )
                self._in_hand = []
            self._idle.set()

    def _left_over(self) -> list[SchemaEvent]:
        left = [*self._in_hand, *self._queue]
        self._in_hand = []
        self._queue.clear()
        return left
