"""One handler's presence on an exchange, kept up while the broker comes and goes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.rabbitmq.broker import TROUBLE, Broker
from llm_integrations.core.events.brokers.rabbitmq.publisher import Publisher
from llm_integrations.core.events.brokers.reconnecting import UpkeptSubscription
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.events.cloudevents import read_shared
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_unreadable, settle
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import get_logger

__all__ = ["RabbitMQSubscription"]

log = get_logger(__name__)


class RabbitMQSubscription(UpkeptSubscription):
    """Takes what arrives in batches, hands them on, dead-letters what failed, then acknowledges."""

    trouble = (*UpkeptSubscription.trouble, *TROUBLE)

    def __init__(
        self,
        broker: Broker,
        publisher: Publisher,
        handler: BatchHandler,
        *,
        group: str | None,
        on_gap: OnGap | None,
    ) -> None:
        super().__init__(f"{broker.exchange} ({group or 'broadcast'})", group, on_gap)
        self._broker = broker
        self._publisher = publisher
        self._handler = handler

    async def _open(self) -> _Inbox:
        connection = await self._broker.connect()
        inbox = _Inbox(connection)
        try:
            with self._broker.errors(f"consuming from {self.name}"):
                async with asyncio.timeout(self._broker.options.connect_timeout):
                    await self._begin(inbox)
        except BaseException:
            await self._broker.close(connection)
            raise
        return inbox

    async def _begin(self, inbox: _Inbox) -> None:
        channel = await inbox.connection.channel()
        await channel.set_qos(prefetch_count=self._broker.options.batch)
        await self._broker.declare_exchanges(channel)
        queue = await self._broker.declare_queue(channel, self.group)
        inbox.watch(await channel.get_underlay_channel(), channel)
        await queue.consume(inbox.put)

    async def _drop(self, connection: _Inbox) -> None:
        await self._broker.close(connection.connection)

    async def _consume(self, connection: _Inbox) -> None:
        while True:
            messages = await connection.take(self._broker.options.batch)
            await self._handle(messages)
            await messages[-1].ack(multiple=True)
            self._works()

    async def _handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Return once each message was handled or dead-lettered."""
        events: list[SchemaEvent] = []
        readable: list[AbstractIncomingMessage] = []
        failed: list[tuple[AbstractIncomingMessage, str]] = []
        for message in messages:
            try:
                events.append(read_shared(message.body))
                readable.append(message)
            except EventError as error:
                count_unreadable("rabbitmq")
                failed.append((message, f"EventError: {error}"))
        reasons = await settle(self._handler, events) if events else []
        failed += [(m, reason) for m, reason in zip(readable, reasons, strict=True) if reason]
        if failed:
            await asyncio.gather(*(self._dead_letter(*letter) for letter in failed))

    async def _dead_letter(self, message: AbstractIncomingMessage, reason: str) -> None:
        # Published by us, since a rejected message would arrive there without the reason.
        group = self.group or "broadcast"
        log.error(
            "%s could not be handled by %s: %s",
            message.message_id or "a message",
            group,
            reason,
            extra={"llmi_group": group, "llmi_event_id": message.message_id},
        )
        headers = {
            "dead-letter-reason": reason,
            "dead-letter-group": group,
            "dead-letter-origin": self._broker.exchange,
        }
        await self._publisher.send(
            self._broker.dead_letter_exchange,
            message.routing_key or "",
            message.body,
            headers,
            message.message_id or "",
        )


class _Inbox:
    """What one connection has delivered and nobody has taken yet."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.connection = connection
        self._messages: deque[AbstractIncomingMessage] = deque()
        self._changed = asyncio.Event()
        self._broken: str | None = None

    def watch(self, underlay: Any, channel: Any) -> None:
        """Notice when the connection, the channel or the consumer ends."""
        self.connection.close_callbacks.add(lambda *_: self._break("the connection was lost"))
        channel.close_callbacks.add(lambda *_: self._break("the channel was closed"))
        underlay.on_consumer_cancel_callbacks.add(lambda _: self._break("the queue is gone"))

    async def put(self, message: AbstractIncomingMessage) -> None:
        self._messages.append(message)
        self._changed.set()

    async def take(self, most: int) -> list[AbstractIncomingMessage]:
        """At least one message. EventError once the connection is of no use."""
        while not self._messages or self._broken:
            if self._broken:
                # What it delivered cannot be acknowledged any more, and comes again.
                raise EventError(self._broken)
            self._changed.clear()
            await self._changed.wait()
        return [self._messages.popleft() for _ in range(min(most, len(self._messages)))]

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._changed.set()
