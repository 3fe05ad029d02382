"""Where reading stands, and whether the log is still the one that was read."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from llm_integrations.core.errors import EventError
from llm_integrations.core.observability import get_logger

__all__ = ["Position"]

log = get_logger(__name__)

_ANSWER_SECONDS: Final = 5.0


class Position:
    """The positions of one subscription, by partition.

    A group's positions are the broker's to keep; a broadcast's are kept here, so that it goes on
    where it was after the broker came back. A log that ends before our position is another one
    (the broker lost it, or the topic was made anew): its events are read from its beginning. It
    has to look so for ``patience`` seconds, since a broker that just started may say that its log
    ends earlier than it does.
    """

    def __init__(self, topic: str, *, in_group: bool, patience: float) -> None:
        self._topic = topic
        self._in_group = in_group
        self._patience = patience
        self._next: dict[Any, int] | None = None
        self._behind_since: dict[Any, float] = {}

    def handled(self, partition: Any, next_offset: int) -> None:
        if self._next is not None:
            self._next[partition] = next_offset

    async def take_up(self, consumer: Any) -> None:
        """Begin reading with a new consumer: at the end the first time, else where it was."""
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
            # A partition that is new to us has nothing but what we have not read.
            wanted = known.get(partition, begins[partition])
            # Beyond the end nothing is read until check() has made up its mind.
            self._move(consumer, partition, max(wanted, begins[partition]))

    async def check(self, consumer: Any) -> bool:
        """Whether the log was found to be another one; reading then begins at its beginning.

        Raises:
            EventError: the topic is gone.
            TimeoutError, KafkaError: the broker does not answer.
        """
        if consumer.partitions_for_topic(self._topic) is None:
            raise EventError(f"Kafka has no topic {self._topic} any more")
        async with asyncio.timeout(_ANSWER_SECONDS):
            lost = self._lost(await self._behind(consumer))
            begins = await consumer.beginning_offsets(lost) if lost else {}
        self._start_over(consumer, begins)
        return bool(lost)

    def _lost(self, behind: set[Any]) -> list[Any]:
        now = time.monotonic()
        self._behind_since = {p: self._behind_since.get(p, now) for p in behind}
        return [p for p, since in self._behind_since.items() if now - since >= self._patience]

    async def _behind(self, consumer: Any) -> set[Any]:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions) if partitions else {}
        assigned = consumer.assignment()
        return {p for p in partitions if p in assigned and ends[p] < await consumer.position(p)}

    def _start_over(self, consumer: Any, begins: dict[Any, int]) -> None:
        for partition, begin in begins.items():
            log.warning("%s ends before our position: read from its beginning", partition)
            self._behind_since.pop(partition, None)
            if partition in consumer.assignment():
                self._move(consumer, partition, begin)

    def _move(self, consumer: Any, partition: Any, offset: int) -> None:
        consumer.seek(partition, offset)
        self.handled(partition, offset)
