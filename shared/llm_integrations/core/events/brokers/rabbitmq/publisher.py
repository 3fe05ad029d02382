"""Publishing with confirms, from any thread and event loop."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Mapping
from typing import Any, Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.publishing_loop import PUBLISHING
from llm_integrations.core.events.brokers.rabbitmq.broker import REFUSALS, Broker
from llm_integrations.core.events.cloudevents import CONTENT_TYPE
from llm_integrations.core.resilience.backoff import backoff

__all__ = ["Publisher"]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_LONGEST_SHORT_TEXT: Final = 255  # bytes, in AMQP

# Connections of a parent process, which a forked child must not close.
_inherited: Final[list[Any]] = []


class Publisher:
    """One connection, made on first use and made again when it broke."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self._connecting: asyncio.Lock | None = None
        self._pid = os.getpid()
        self._closed = False

    async def send(
        self, exchange: str, subject: str, body: bytes, headers: Mapping[str, str], message_id: str
    ) -> None:
        """Return once the broker has confirmed that it keeps the message.

        A broker that is away is waited for. EventError after ``publish_timeout`` seconds, or when
        it refuses; the message may have arrived all the same.
        """
        message = Message(
            body,
            headers=dict(headers),
            content_type=CONTENT_TYPE,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=_short(message_id),
        )
        await PUBLISHING.call(self._send(exchange, _short(subject), message))

    async def ping(self) -> None:
        """EventError unless the broker answers."""
        await PUBLISHING.call(self._ping())

    async def close(self) -> None:
        self._closed = True
        await PUBLISHING.call(self._stop())

    async def _send(self, exchange: str, key: str, message: Message) -> None:
        failure: Exception | None = None
        timeout = self._broker.options.publish_timeout
        try:
            async with asyncio.timeout(timeout):
                for attempt in itertools.count(1):
                    failure = await self._try(exchange, key, message)
                    if failure is None:
                        return
                    pause = backoff(
                        attempt, base=2 * _FIRST_PAUSE, cap=_LONGEST_PAUSE, floor=_FIRST_PAUSE
                    )
                    await asyncio.sleep(pause)
        except TimeoutError:
            raise EventError(
                f"publishing to exchange {exchange} of RabbitMQ at {self._broker.address.server}: "
                f"not confirmed within {timeout:g} s ({failure or 'no answer'})"
            ) from failure

    async def _try(self, exchange: str, key: str, message: Message) -> Exception | None:
        """None once it is confirmed, or what another attempt may overcome."""
        connection = self._connection
        try:
            exchanges = await self._open()
            connection = self._connection
            with self._broker.errors(f"publishing to exchange {exchange}"):
                await exchanges[exchange].publish(message, routing_key=key)
        except EventError as error:
            if self._closed or isinstance(error.__cause__, REFUSALS):
                raise
            if self._connection is connection:
                await self._stop()
            return error
        return None

    async def _ping(self) -> None:
        with self._broker.errors("checking"):
            async with asyncio.timeout(self._broker.options.connect_timeout):
                await self._open()
                if self._channel is not None:
                    await self._channel.declare_exchange(self._broker.exchange, passive=True)

    async def _open(self) -> dict[str, AbstractExchange]:
        if self._closed:
            raise EventError("the bus is closed")
        if self._pid != os.getpid():
            _inherited.append((self._connection, self._exchanges))
            self._connection, self._exchanges, self._connecting = None, {}, None
            self._pid = os.getpid()
        if self._connection is not None and self._connection.is_closed:
            await self._stop()
        if not self._exchanges:
            # Made here, since this loop is another one after a fork.
            self._connecting = self._connecting or asyncio.Lock()
            async with self._connecting:
                if not self._exchanges:
                    await self._connect()
        return self._exchanges

    async def _connect(self) -> None:
        connection = await self._broker.connect()
        try:
            with self._broker.errors("declaring exchanges"):
                self._channel = await connection.channel(publisher_confirms=True)
                self._exchanges = await self._broker.declare_exchanges(self._channel)
        except BaseException:
            await self._broker.close(connection)
            raise
        self._connection = connection

    async def _stop(self) -> None:
        connection, self._connection = self._connection, None
        self._exchanges = {}
        if connection is not None and self._pid == os.getpid():
            await self._broker.close(connection)


def _short(text: str) -> str:
    return text.encode("utf-8", "replace")[:_LONGEST_SHORT_TEXT].decode("utf-8", "ignore")
