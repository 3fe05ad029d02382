"""The positions in a topic's log, and detecting that the log was replaced."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiokafka.errors import OffsetOutOfRangeError

from llm_integrations.core.errors import EventError
from llm_integrations.core.observability import get_logger

__all__ = ["Position"]

log = get_logger(__name__)

_ANSWER_SECONDS: Final = 5.0


class Position:
    """The positions of one subscription, by partition.

    A group's positions are the broker's to keep; a broadcast's are kept here, so that it goes on
    where it was after the broker came back. A log that ends before our position, and does not have
    the last record that we read, is another one (the broker lost it, or the topic was made anew):
    its events are read from its beginning.

    Args:
        topic: the topic's name.
        in_group: whether the broker keeps the positions.
        patience: seconds that the last record may take to be given again. Where a log ends is not
            enough to go by: a broker that just started may not know, and not every broker counts
            the records of its last batch.
    """

    def __init__(self, topic: str, *, in_group: bool, patience: float) -> None:
        self._topic = topic
        self._in_group = in_group
        self._patience = patience
        self._next: dict[Any, int] | None = None
        self._intact: dict[Any, tuple[int, int]] = {}

    def handled(self, partition: Any, next_offset: int) -> None:
        if self._next is not None:
            self._next[partition] = next_offset

    async def take_up(self, consumer: Any) -> None:
        """Seek a new consumer: to the end the first time, else to the kept positions."""
        if consumer.partitions_for_topic(self._topic) is None:
            raise EventError(f"Kafka has no topic {self._topic}")
        if self._in_group:
            return
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        known: dict[Any, int] = dict(ends) if self._next is None else self._next
        self._next = known
        begins = await consumer.beginning_offsets(partitions)
        for partition in partitions:
            # A partition that was added since is read from its beginning.
            wanted = known.get(partition, begins[partition])
            # Beyond the end nothing is read until check() has made up its mind.
            self._move(consumer, partition, max(wanted, begins[partition]))

    async def check(self, consumer: Any) -> bool:
        """Whether the log was replaced by another one, which is then read from its beginning.

        Raises:
            EventError: the topic is gone.
            TimeoutError, KafkaError: the broker does not answer.
        """
        if consumer.partitions_for_topic(self._topic) is None:
            raise EventError(f"Kafka has no topic {self._topic} any more")
        async with asyncio.timeout(_ANSWER_SECONDS):
            behind = await self._behind(consumer)
        lost = [
            partition
            for partition, (end, position) in behind.items()
            if not await self._is_intact(consumer, partition, end, position)
        ]
        if lost:
            async with asyncio.timeout(_ANSWER_SECONDS):
                begins = await consumer.beginning_offsets(lost)
            self._start_over(consumer, begins)
        return bool(lost)

    async def _behind(self, consumer: Any) -> dict[Any, tuple[int, int]]:
        """(end, position) of the partitions whose log seems to end before our position."""
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions) if partitions else {}
        assigned = consumer.assignment()
        found = {p: (ends[p], await consumer.position(p)) for p in partitions if p in assigned}
        return {p: (end, position) for p, (end, position) in found.items() if end < position}

    async def _is_intact(self, consumer: Any, partition: Any, end: int, position: int) -> bool:
        """Whether the last record that we read can be read again."""
        if self._intact.get(partition) == (end, position):
            return True
        consumer.seek(partition, position - 1)
        try:
            batch = await consumer.getmany(
                partition, timeout_ms=int(self._patience * 1000), max_records=1
            )
        except OffsetOutOfRangeError:
            return False
        if not any(record.offset == position - 1 for record in batch.get(partition, ())):
            return False
        self._intact[partition] = (end, position)
        return True

    def _start_over(self, consumer: Any, begins: dict[Any, int]) -> None:
        for partition, begin in begins.items():
            log.warning("%s is another log than we read: from its beginning", partition)
            if partition in consumer.assignment():
                self._move(consumer, partition, begin)

    def _move(self, consumer: Any, partition: Any, offset: int) -> None:
        consumer.seek(partition, offset)
        self.handled(partition, offset)
