"""An inbox as an event bus, so that accepted events are handled also after a crash."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from llm_integrations.core.errors import EventError, WebhookError
from llm_integrations.core.events.bus import BusHealth, EventBus, OnGap, Subscription
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.events.delivery.dead_letter import DeadLetter
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_published
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.webhooks.receiving.inbox import BROADCAST, Inbox
from llm_integrations.core.webhooks.receiving.reader import Reader

__all__ = ["InboxBus"]


class InboxBus(EventBus):
    """Carries events from an SQLite file to handlers, in this process and others on this machine.

    A group goes on where it was before a crash or restart; a new one begins with the oldest event
    that is held. Broadcasts go on behind what any process has handled before. Events that a
    handler gave up are in ``dead_letters`` for a week.

    Args:
        inbox: the file; made on first use.
        retention: seconds that handled events, and the ids of all, are kept.
        poll: seconds between looks at what other processes put into the file.
        delivery: retries and breaker of each handler.
    """

    transport: ClassVar[str] = "webhook"

    def __init__(
        self,
        inbox: str | Path = "inbox.db",
        *,
        retention: float = 86_400.0,
        poll: float = 0.25,
        delivery: DeliveryOptions | None = None,
    ) -> None:
        super().__init__(delivery=delivery)
        self._inbox = Inbox(inbox, retention=retention)
        self._poll = poll
        self._lock = threading.Lock()
        self._readers: list[Reader] = []
        self._closed = False

    async def publish(self, event: SchemaEvent) -> None:
        """Put an event into the inbox, as if it had been received under its own id."""
        count_published(self.transport, event)
        try:
            await self._accept(event.event_id, event, to_json(event))
        except WebhookError as error:
            raise EventError(f"the inbox does not take the event: {error}") from error

    async def subscribe_batches(
        self,
        handler: BatchHandler,
        *,
        group: str | None = None,
        on_gap: OnGap | None = None,  # noqa: ARG002 - a file has no gaps
    ) -> Subscription:
        if self._closed:
            raise EventError("the inbox is closed")
        if group == BROADCAST:
            raise EventError("a group needs a name; None is broadcast")
        # Join before returning: an event that another process handles before this one's first
        # read must not be skipped.
        try:
            joined = self._inbox.join(BROADCAST if group is None else group)
            position = await asyncio.wrap_future(joined)
        except WebhookError as error:
            raise EventError(f"the inbox cannot be read: {error}") from error
        reader = Reader(
            self._inbox,
            handler,
            group,
            position,
            poll=self._poll,
            reached=self._reached,
            on_end=self._leave,
        )
        with self._lock:
            self._readers.append(reader)
        return reader

    async def dead_letters(self, limit: int = 1000) -> list[DeadLetter]:
        """Events that a handler gave up, oldest first."""
        return await asyncio.wrap_future(self._inbox.dead_letters(limit))

    async def redeliver(self, ids: Sequence[int] | None = None) -> int:
        """Give dead letters, all or those with these ids, to the same handlers again; how many."""
        count = await asyncio.wrap_future(self._inbox.redeliver(ids))
        self._wake()
        return count

    failures, retry = dead_letters, redeliver  # their first names

    async def health_check(self) -> BusHealth:
        try:
            state = await asyncio.wrap_future(self._inbox.state())
        except WebhookError as error:
            return BusHealth(False, self.transport, {"error": str(error)})
        connected = all(reader.connected for reader in self._readers)
        detail = {"held": state.held, "waiting": state.waiting, "failures": state.dead_letters}
        return BusHealth(connected and not self._closed, self.transport, detail)

    async def close(self) -> None:
        self._closed = True
        for reader in list(self._readers):
            await reader.cancel()
        await asyncio.to_thread(self._inbox.close)

    async def _accept(self, webhook_id: str, event: SchemaEvent, body: bytes) -> bool:
        """Store an event; whether it is new. Returns once the file holds it."""
        is_new = await asyncio.wrap_future(self._inbox.add(webhook_id, event, body))
        if is_new:
            self._wake()
        return is_new

    def _wake(self) -> None:
        with self._lock:
            self._readers = [reader for reader in self._readers if reader.connected]
            readers = list(self._readers)
        for reader in readers:
            reader.wake()

    def _reached(self, reader: Reader, position: int) -> int:
        """The position to store for a broadcast: that of its slowest handler in this process."""
        if reader.name != BROADCAST:
            return position
        with self._lock:
            others = [r for r in self._readers if r.name == BROADCAST and r is not reader]
        return min([position, *(other.position for other in others)])

    def _leave(self, leaving: Reader) -> None:
        with self._lock:
            self._readers = [reader for reader in self._readers if reader is not leaving]
