"""A reconnecting subscription to a topic."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import ConsumerStoppedError, KafkaError, MessageSizeTooLargeError

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.kafka.clients import Clients, event_errors
from llm_integrations.core.events.brokers.kafka.position import Position
from llm_integrations.core.events.brokers.kafka.publisher import Publisher
from llm_integrations.core.events.brokers.kafka.reader import Reader
from llm_integrations.core.events.brokers.reconnecting import ReconnectingSubscription
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.events.delivery.batch import handle_batch
from llm_integrations.core.events.delivery.deliverer import BatchHandler

__all__ = ["KafkaSubscription"]


class KafkaSubscription(ReconnectingSubscription):
    """Reads batches, hands them on, dead-letters what failed, then commits.

    With a new consumer a group goes on from its commits, a broadcast from the positions kept here.
    """

    trouble = (*ReconnectingSubscription.trouble, KafkaError, ConsumerStoppedError)

    def __init__(
        self,
        clients: Clients,
        publisher: Publisher,
        handler: BatchHandler,
        *,
        topic: str,
        dead_letter_topic: str,
        group: str | None,
        on_gap: OnGap | None,
    ) -> None:
        super().__init__(f"{topic} ({group or 'broadcast'})", group, on_gap)
        self._clients = clients
        self._options = clients.options
        self._handler = handler
        self._topic = topic
        self._publisher = publisher
        self._dead_letter_topic = dead_letter_topic
        self._position = Position(
            topic, in_group=group is not None, patience=self._options.lost_log_after
        )

    async def _open(self) -> Reader:
        await self._clients.ensure_topic(self._topic)
        reader = Reader(self._clients, self._topic, self.group, self.name)
        try:
            with event_errors(f"topic {self._topic} of Kafka at {self._clients.servers}"):
                async with asyncio.timeout(self._options.connect_timeout):
                    await reader.consumer.start()
                    await self._position.take_up(reader.consumer)
        except BaseException:
            await reader.close()
            raise
        return reader

    async def _drop(self, connection: Reader) -> None:
        await connection.close()

    async def _consume(self, connection: Reader) -> None:
        reader = connection
        missing = False
        while True:
            batch = await reader.fetch()
            missing = reader.lost_connection() or missing
            if batch:
                async with reader.handling:
                    await handle_batch(
                        [record for records in batch.values() for record in records],
                        _body,
                        self._handler,
                        self._dead_letter,
                        transport="kafka",
                    )
                    self._acknowledge(reader, batch)
            else:
                await reader.commits.finish()
                missing = await self._position.check(reader.consumer) or missing
            if missing:  # and the broker answers again
                self._gap()
                missing = False
            self._works()

    async def _dead_letter(self, record: Any, reason: str) -> None:
        """Copy a record to the dead-letter topic, and say why in its headers.

        EventError if the topic does not take it: then the record must not be acknowledged.
        """
        origin = f"{record.topic}/{record.partition}/{record.offset}"
        reason_headers = self._give_up(origin, origin, reason)
        headers = [(name, text.encode("utf-8", "replace")) for name, text in reason_headers.items()]
        topic, value = self._dead_letter_topic, record.value or b""
        try:
            await self._publisher.send(topic, record.key, value, [*record.headers, *headers])
        except EventError as error:
            if not isinstance(error.__cause__, MessageSizeTooLargeError):
                raise
            # The headers made it too large; where it was found must do.
            await self._publisher.send(topic, record.key, b"", headers)

    def _acknowledge(self, reader: Reader, batch: dict[Any, list[Any]]) -> None:
        offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
        for partition, offset in offsets.items():
            self._position.handled(partition, offset)
        if self.group is not None:
            reader.commits.add(offsets)


def _body(record: Any) -> bytes:
    body: bytes = record.value or b""  # a tombstone has none
    return body
