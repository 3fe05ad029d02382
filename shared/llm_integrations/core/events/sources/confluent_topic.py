"""A Confluent registry's own change log as a source of events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from llm_integrations.core.errors import ConfigurationError, EventError
from llm_integrations.core.events.sources.base import EventSource
from llm_integrations.core.events.sources.kept_view import KeptView
from llm_integrations.core.events.sources.schemas_log import SchemasLog
from llm_integrations.core.events.sources.view import View
from llm_integrations.core.extras import require_extra
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry import resolve_registry
from llm_integrations.core.registry.address import read_addresses
from llm_integrations.core.reprs import never_raises

if TYPE_CHECKING:
    from llm_integrations.core.events.state import ListenerState
    from llm_integrations.core.registry import Registry

__all__ = ["ConfluentTopicSource"]

_ANSWER_SECONDS: Final = 5.0
_SECOND_LOOK_SECONDS: Final = 0.1
_BATCH: Final = 500


class ConfluentTopicSource(EventSource):
    """Reads the compacted topic in which a Confluent-compatible registry keeps its schemas.

    Every process reads it on its own, without a consumer group. The log is read from its
    beginning each time, to know what was there; told is what comes after the starting point.

    Args:
        url: ``kafka://[user:password@]host1:9092,host2:9092/_schemas``.
        registry: the registry that writes it (its client or URL), since its name is part of every
            event's id: the same that a publisher on a bus uses.
        start: "end" tells what changes from now on (or, where a state is kept, since the last
            run); "beginning" also what is there.
        name: unique within a listener.
        options: fields of KafkaOptions, such as ``tls``.
    """

    def __init__(
        self,
        url: str,
        registry: Registry | str,
        *,
        start: Literal["end", "beginning"] = "end",
        name: str = "confluent-topic",
        **options: Any,
    ) -> None:
        require_extra("kafka", "aiokafka")
        from llm_integrations.core.events.brokers.kafka.clients import Clients

        if start not in ("end", "beginning"):
            raise ConfigurationError(f"start must be 'end' or 'beginning', not {start!r}")
        self.name = name
        self._clients = Clients.of(url, **options)
        self._topic = self._clients.address.topic
        self._registry = _client(registry) if isinstance(registry, str) else registry
        # The offset from which on records are told; None means the end, once that is known.
        self._told_from: int | None = 0 if start == "beginning" else None
        self._told = View()  # what was there as far as it was told

    @never_raises
    def __repr__(self) -> str:
        return f"ConfluentTopicSource({self._clients.address.url!r}, {self._registry.url!r})"

    async def batches(
        self, state: ListenerState | None = None
    ) -> AsyncGenerator[Sequence[SchemaEvent], None]:
        from llm_integrations.core.events.brokers.kafka.clients import event_errors, quietly

        kept = KeptView(state, self.name)
        loaded = await kept.load()
        if loaded is not None:
            self._told, content = loaded
            self._told_from = int(content["offset"])
        consumer = self._clients.consumer()
        try:
            with event_errors(f"topic {self._topic} of Kafka at {self._clients.servers}"):
                async with aclosing(self._read(consumer)) as batches:
                    async for events, offset, view in batches:
                        yield events
                        # Only what was handled counts as told.
                        self._told_from, self._told = offset, view
                        await kept.save(view, {"offset": offset})
        finally:
            await quietly(consumer)

    async def _read(
        self, consumer: Any
    ) -> AsyncGenerator[tuple[Sequence[SchemaEvent], int, View], None]:
        """Batches, each with the offset behind it and the view of what was told until there.

        The first comes once what is there has been read.
        """
        options = self._clients.options
        async with asyncio.timeout(options.connect_timeout):
            await consumer.start()
            partition, end = await self._at_the_beginning(consumer)
        told_from = await self._begin_telling(consumer, partition, end)
        log = SchemasLog(await self._registry.aio.identity(), self._registry.url)
        told = self._told
        offset, is_ready, interval = told_from, False, int(options.check_interval * 1000)
        while True:
            batch = await consumer.getmany(timeout_ms=max(1, interval), max_records=_BATCH)
            events: list[SchemaEvent] = []
            for record in batch.get(partition, ()):
                found = log.apply(record.key, record.value)
                if record.offset >= told_from:
                    events += (_at(event, record.timestamp) for event in found)
                    offset = record.offset + 1
            if not is_ready and await consumer.position(partition) >= end:
                is_ready, told = True, _without(told, events)
                events += log.gone(told)
                told = View()
                yield events, offset, View(log.view.subjects)
            elif events:
                told = _without(told, events)
                yield events, offset, log.view.beside(told)
            if not batch and not await self._reaches(consumer, partition, offset):
                raise EventError("the log ends before our position: it is another one")

    async def _at_the_beginning(self, consumer: Any) -> tuple[Any, int]:
        """The topic's partition, to be read from its beginning, and where it ends now."""
        from aiokafka import TopicPartition

        if self._topic not in await consumer.topics():
            raise EventError("there is no such topic")
        numbers = consumer.partitions_for_topic(self._topic)
        if len(numbers) != 1:
            raise EventError(f"a registry's topic has one partition, this has {len(numbers)}")
        partition = TopicPartition(self._topic, 0)
        consumer.assign([partition])
        begins = await consumer.beginning_offsets([partition])
        ends = await consumer.end_offsets([partition])
        consumer.seek(partition, begins[partition])
        return partition, ends[partition]

    async def _begin_telling(self, consumer: Any, partition: Any, end: int) -> int:
        """The first offset to be told."""
        if self._told_from is None:
            self._told_from = end
        if end < self._told_from and not await self._reaches(consumer, partition, self._told_from):
            # The log is another one, and we cannot know which of it was told already.
            self._told_from, self._told = 0, View()
        return self._told_from

    async def _reaches(self, consumer: Any, partition: Any, offset: int) -> bool:
        """Whether the log goes that far; a broker that just started may not know it at once."""
        deadline = time.monotonic() + self._clients.options.lost_log_after
        while True:
            async with asyncio.timeout(_ANSWER_SECONDS):
                ends = await consumer.end_offsets([partition])
            if ends[partition] >= offset:
                return True
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_SECOND_LOOK_SECONDS)


def _client(url: str) -> Registry:
    """To ask for the registry's name, without credentials that it could not be told safely."""
    try:
        return resolve_registry(url)
    except ConfigurationError:
        return resolve_registry(read_addresses(url)[0].location)


def _without(view: View, events: Sequence[SchemaEvent]) -> View:
    """Without the versions whose hard deletion is among the events."""
    gone = {e.reference for e in events if e.metadata.get("permanent") is True}
    if not gone or not view.subjects:
        return view
    rest = View()
    for subject, versions in view.subjects.items():
        rest.put(subject, {v: s for v, s in versions.items() if f"{subject}@{v}" not in gone})
    return rest


def _at(event: SchemaEvent, milliseconds: int) -> SchemaEvent:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a producer can write any number
        return event
    return replace(event, timestamp=moment) if milliseconds > 0 else event
