"""A reconnecting subscription to a topic."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import ConsumerStoppedError, KafkaError

from llm_integrations.core.events.brokers.kafka.clients import Clients, event_errors
from llm_integrations.core.events.brokers.kafka.connections import Connections
from llm_integrations.core.events.brokers.kafka.dead_letters import DeadLetters
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
        self._dead_letters = DeadLetters(publisher, dead_letter_topic, group)
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
        connections = Connections()
        missing = False
        while True:
            batch = await reader.fetch()
            missing = connections.lost_one(reader.consumer) or missing
            if batch:
                async with reader.in_hand:
                    await handle_batch(
                        [record for records in batch.values() for record in records],
                        _body,
                        self._handler,
                        self._dead_letters.add,
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

    def _acknowledge(self, reader: Reader, batch: dict[Any, list[Any]]) -> None:
        offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
        for partition, offset in offsets.items():
            self._position.handled(partition, offset)
        if self.group is not None:
            reader.commits.add(offsets)


def _body(record: Any) -> bytes:
    body: bytes = record.value or b""  # a tombstone has none
    return body
