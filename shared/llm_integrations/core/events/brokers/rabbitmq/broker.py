"""Connections to one RabbitMQ, and declaring its exchanges and queues."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractQueue
from aio_pika.connection import Connection, make_url
from aio_pika.exceptions import AMQPError, AuthenticationError, ProbableAuthenticationError
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
)

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.rabbitmq.options import RabbitMQAddress, RabbitMQOptions
from llm_integrations.core.tls import tls_context

__all__ = ["REFUSALS", "TROUBLE", "Broker"]

TROUBLE: Final = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)
REFUSALS: Final = (
    AuthenticationError,
    ProbableAuthenticationError,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
)
"""What another attempt cannot help."""

_CLOSE_SECONDS: Final = 3.0
_EVERYTHING: Final = "#"


class Broker:
    """Makes connections, exchanges and queues by its options."""

    def __init__(self, address: RabbitMQAddress, options: RabbitMQOptions) -> None:
        self.address = address
        self.options = options
        self._tls = tls_context(options.tls, "RabbitMQ") if address.secure else None
        self.exchange = address.exchange
        self.dead_letter_exchange = f"{address.exchange}.dead-letter"

    async def connect(self) -> AbstractConnection:
        """EventError if that fails."""
        address, options = self.address, self.options
        url = make_url(
            host=address.host,
            port=address.port,
            login=address.username,
            password=address.password,
            virtualhost=address.vhost,
            ssl=address.secure,
            heartbeat=options.heartbeat,
        )
        # Not aio_pika.connect(), which leaves an unclosed connection behind when it fails.
        connection = Connection(url, ssl_context=self._tls)
        try:
            with self.errors("connecting"):
                await connection.connect(timeout=options.connect_timeout)
        except BaseException:
            await self.close(connection)
            raise
        return connection

    async def declare_exchanges(self, channel: AbstractChannel) -> dict[str, AbstractExchange]:
        """The exchange for events, and that for dead letters with a queue that keeps them."""
        declared = {
            name: await channel.declare_exchange(name, "topic", durable=True)
            for name in (self.exchange, self.dead_letter_exchange)
        }
        letters = await channel.declare_queue(self.dead_letter_exchange, durable=True)
        await letters.bind(self.dead_letter_exchange, _EVERYTHING)
        return declared

    async def declare_queue(self, channel: AbstractChannel, group: str | None) -> AbstractQueue:
        """A group's durable queue, or a broadcast's that goes with its connection."""
        if group is None:
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        else:
            arguments: dict[str, Any] = {
                "x-dead-letter-exchange": self.dead_letter_exchange,
                "x-queue-type": self.options.queue_type,
            }
            if self.options.single_active:
                arguments["x-single-active-consumer"] = True
            name = f"{self.exchange}.{group}"
            queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        await queue.bind(self.exchange, _EVERYTHING)
        return queue

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn what aio-pika raises into an EventError that says what failed where."""
        try:
            yield
        except TROUBLE as error:
            reason = str(error) or type(error).__name__
            raise EventError(f"{what}, RabbitMQ at {self.address.server}: {reason}") from error

    @staticmethod
    async def close(connection: AbstractConnection) -> None:
        """Close a connection, whatever state it is in."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()
        except TROUBLE:
            return
