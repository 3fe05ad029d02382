"""One handler's presence on a topic, kept up while brokers come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.events.cloudevents import from_json
from llm_integrations.core.events.delivery import BatchHandler, count_unreadable, settle
from llm_integrations.core.events.event import SchemaEvent
from llm_integrations.core.events.kafka.clients import Clients, event_errors, quietly
from llm_integrations.core.events.kafka.connections import Connections
from llm_integrations.core.events.kafka.dead_letters import DeadLetters
from llm_integrations.core.events.kafka.position import Position
from llm_integrations.core.events.kafka.publisher import Publisher
from llm_integrations.core.events.upkeep import UpkeptSubscription
from llm_integrations.core.observability import get_logger

__all__ = ["KafkaSubscription"]

log = get_logger(__name__)

_FINISH_SECONDS: Final = 45.0
# Another member has the partitions by now, and will be given their events again.
_LOST_MEMBERSHIP: Final = (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class KafkaSubscription(UpkeptSubscription):
    """Reads batches, hands them on, dead-letters what failed, then commits.

    With a new consumer a group goes on from its commits, a broadcast from the positions kept here.
    """

    trouble = (*UpkeptSubscription.trouble, KafkaError, ConsumerStoppedError)

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
        self._in_hand = asyncio.Lock()

    async def _open(self) -> Any:
        await self._clients.ensure_topic(self._topic)
        consumer = self._clients.consumer(group=self.group)
        consumer.subscribe([self._topic], listener=_WaitsFor(self._in_hand))
        try:
            with event_errors(f"topic {self._topic} of Kafka at {self._clients.servers}"):
                async with asyncio.timeout(self._options.connect_timeout):
                    await consumer.start()
                    await self._position.take_up(consumer)
        except BaseException:
            await quietly(consumer)
            raise
        return consumer

    async def _drop(self, connection: Any) -> None:
        await quietly(connection)

    async def _consume(self, connection: Any) -> None:
        consumer = connection
        interval = max(1, int(self._options.check_interval * 1000))
        connections = Connections()
        missing = False
        while True:
            batch = await consumer.getmany(timeout_ms=interval, max_records=self._options.batch)
            missing = connections.lost_one(consumer) or missing
            if batch:
                async with self._in_hand:
                    await self._handle([r for records in batch.values() for r in records])
                    await self._acknowledge(consumer, batch)
            else:
                missing = await self._position.check(consumer) or missing
            if missing:  # and the broker answers again
                self._gap()
                missing = False
            self._works()

    async def _handle(self, records: Sequence[Any]) -> None:
        """Return once each record was handled or dead-lettered."""
        events: list[SchemaEvent] = []
        readable: list[Any] = []
        failed: list[tuple[Any, str]] = []
        for record in records:
            try:
                events.append(from_json(record.value or b""))
                readable.append(record)
            except EventError as error:
                count_unreadable("kafka")
                failed.append((record, f"EventError: {error}"))
        reasons = await settle(self._handler, events) if events else []
        failed += [(r, reason) for r, reason in zip(readable, reasons, strict=True) if reason]
        if failed:
            await asyncio.gather(*(self._dead_letters.add(*letter) for letter in failed))

    async def _acknowledge(self, consumer: Any, batch: Mapping[Any, Sequence[Any]]) -> None:
        offsets = {partition: records[-1].offset + 1 for partition, records in batch.items()}
        for partition, offset in offsets.items():
            self._position.handled(partition, offset)
        if self.group is None:
            return
        try:
            async with asyncio.timeout(self._options.commit_timeout):
                await consumer.commit(offsets)
        except _LOST_MEMBERSHIP as error:
            log.info("%s: not committed, they may come again: %s", self.name, error)


class _WaitsFor(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Lets a batch in hand be finished and committed before its partitions go to another member.

    aiokafka awaits what these return, whatever its base class says.
    """

    def __init__(self, in_hand: asyncio.Lock) -> None:
        self._in_hand = in_hand

    async def on_partitions_revoked(self, revoked: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            async with asyncio.timeout(_FINISH_SECONDS), self._in_hand:
                return
        except TimeoutError:
            log.warning("%d partitions are taken away from a handler at work", len(revoked))

    async def on_partitions_assigned(self, assigned: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        log.debug("%d partitions assigned", len(assigned))
