"""Publishing with confirms, from any thread and event loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.rabbitmq.broker import REFUSALS, Broker
from llm_integrations.core.events.brokers.shared_client import PUBLISHING, SharedClient
from llm_integrations.core.events.cloudevents import CONTENT_TYPE
from llm_integrations.core.resilience.backoff import backoff

__all__ = ["Publisher"]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_LONGEST_SHORT_TEXT: Final = 255  # bytes, in AMQP


@dataclass(frozen=True, slots=True)
class _Client:
    connection: AbstractConnection
    channel: AbstractChannel
    exchanges: Mapping[str, AbstractExchange]


class Publisher(SharedClient):
    """One connection, made on first use and made again when it broke."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

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

    async def _send(self, exchange: str, key: str, message: Message) -> None:
        failure: Exception | None = None
        timeout = self._broker.options.publish_timeout
        try:
            async with asyncio.timeout(timeout) as bound:
                for attempt in itertools.count(1):
                    failure = await self._try(exchange, key, message)
                    if failure is None:
                        return
                    if bound.expired():  # a closing client may swallow the cancellation
                        raise TimeoutError
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
        """Publish once. None when it is confirmed, else the error that another try may overcome."""
        used = self._client
        try:
            used = await self._made()
            with self._broker.errors(f"publishing to exchange {exchange}"):
                await used.exchanges[exchange].publish(message, routing_key=key)
        except EventError as error:
            if self._closed or isinstance(error.__cause__, REFUSALS):
                raise
            if self._client is used:
                await self._stop()
            return error
        return None

    async def _ping(self) -> None:
        with self._broker.errors("checking"):
            async with asyncio.timeout(self._broker.options.connect_timeout):
                channel = (await self._made()).channel
                await channel.declare_exchange(self._broker.exchange, passive=True)

    async def _make(self) -> _Client:
        connection = await self._broker.connect()
        try:
            with self._broker.errors("declaring exchanges"):
                channel = await connection.channel(publisher_confirms=True)
                exchanges = await self._broker.declare_exchanges(channel)
        except BaseException:
            await self._broker.close(connection)
            raise
        return _Client(connection, channel, exchanges)

    def _is_lost(self, client: _Client) -> bool:
        return client.connection.is_closed

    async def _drop(self, client: _Client) -> None:
        await self._broker.close(client.connection)


def _short(text: str) -> str:
    return text.encode("utf-8", "replace")[:_LONGEST_SHORT_TEXT].decode("utf-8", "ignore")
