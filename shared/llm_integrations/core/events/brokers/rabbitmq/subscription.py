"""A reconnecting subscription to an exchange."""

from __future__ import annotations

import asyncio
from collections import deque
from operator import attrgetter
from typing import Any

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.rabbitmq.broker import TROUBLE, Broker
from llm_integrations.core.events.brokers.rabbitmq.publisher import Publisher
from llm_integrations.core.events.brokers.reconnecting import ReconnectingSubscription
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.events.delivery.batch import handle_batch
from llm_integrations.core.events.delivery.deliverer import BatchHandler

__all__ = ["RabbitMQSubscription"]


class RabbitMQSubscription(ReconnectingSubscription):
    """Takes what arrives in batches, hands them on, dead-letters what failed, then acknowledges."""

    trouble = (*ReconnectingSubscription.trouble, *TROUBLE)

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

    async def _open(self) -> _Prefetched:
        connection = await self._broker.connect()
        prefetched = _Prefetched(connection)
        try:
            with self._broker.errors(f"consuming from {self.name}"):
                async with asyncio.timeout(self._broker.options.connect_timeout):
                    await self._begin(prefetched)
        except BaseException:
            await self._broker.close(connection)
            raise
        return prefetched

    async def _begin(self, prefetched: _Prefetched) -> None:
        channel = await prefetched.connection.channel()
        await channel.set_qos(prefetch_count=self._broker.options.batch)
        await self._broker.declare_exchanges(channel)
        queue = await self._broker.declare_queue(channel, self.group)
        prefetched.watch(await channel.get_underlay_channel(), channel)
        await queue.consume(prefetched.put)

    async def _drop(self, connection: _Prefetched) -> None:
        await self._broker.close(connection.connection)

    async def _consume(self, connection: _Prefetched) -> None:
        while True:
            messages = await connection.take(self._broker.options.batch)
            await handle_batch(
                messages, attrgetter("body"), self._handler, self._dead_letter, transport="rabbitmq"
            )
            await messages[-1].ack(multiple=True)
            self._works()

    async def _dead_letter(self, message: AbstractIncomingMessage, reason: str) -> None:
        # Published, not rejected: a rejected message would arrive there without the reason.
        what = message.message_id or "a message"
        await self._publisher.send(
            self._broker.dead_letter_exchange,
            message.routing_key or "",
            message.body,
            self._give_up(what, self._broker.exchange, reason),
            message.message_id or "",
        )


class _Prefetched:
    """The prefetched messages of one connection."""

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
        """Wait for messages, at least one. EventError once the connection has failed."""
        while not self._messages or self._broken:
            if self._broken:
                # Prefetched messages cannot be acknowledged any more; the broker redelivers them.
                raise EventError(self._broken)
            self._changed.clear()
            await self._changed.wait()
        return [self._messages.popleft() for _ in range(min(most, len(self._messages)))]

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._changed.set()
