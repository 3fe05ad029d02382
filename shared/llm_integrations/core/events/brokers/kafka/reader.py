"""A consumer with its commits, made and closed together."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from llm_integrations.core.events.brokers.kafka.clients import Clients, quietly
from llm_integrations.core.events.brokers.kafka.commits import Commits
from llm_integrations.core.observability import get_logger

__all__ = ["Reader"]

log = get_logger(__name__)

_FINISH_SECONDS: Final = 45.0


class Reader:
    """The consumer of one topic, and the commits of what was handled.

    Attributes:
        consumer: aiokafka's.
        commits: what was handled and is to be acknowledged.
        handling: held while a batch is handled.
    """

    def __init__(self, clients: Clients, topic: str, group: str | None, name: str) -> None:
        self._options = clients.options
        self.consumer = clients.consumer(group=group)
        self.commits = Commits(self.consumer, timeout=self._options.commit_timeout, name=name)
        self.handling = asyncio.Lock()
        self._known: list[Any] = []
        self.consumer.subscribe([topic], listener=_WaitsFor(self))

    async def fetch(self) -> dict[Any, list[Any]]:
        """Records by partition; none if nothing came for ``check_interval`` seconds."""
        most = self._options.batch
        interval = max(1, int(self._options.check_interval * 1000))
        batch: dict[Any, list[Any]] = await self.consumer.getmany(
            timeout_ms=interval, max_records=most
        )
        # A fetch seldom returns more than one partition; take along what is buffered.
        missing = most - sum(map(len, batch.values()))
        while batch and missing > 0:
            more = await self.consumer.getmany(timeout_ms=0, max_records=missing)
            if not more:
                break
            for partition, records in more.items():
                batch.setdefault(partition, []).extend(records)
                missing -= len(records)
        return batch

    def lost_connection(self) -> bool:
        """Whether a connection was lost since the last call, which aiokafka restores silently.

        Looks into aiokafka, which has no other way to tell. Should a later version keep its
        connections elsewhere, a loss is noticed only if the broker stays away.
        """
        lost = any(not connection.connected() for connection in self._known)
        connections = getattr(getattr(self.consumer, "_client", None), "_conns", {})
        self._known = [
            connection
            for (node, _), connection in list(connections.items())
            if isinstance(node, int) and connection.connected()  # another is for bootstrapping
        ]
        return lost

    async def close(self) -> None:
        """Close it, whatever state it is in. Never raises."""
        await self.commits.stop()
        await quietly(self.consumer)


class _WaitsFor(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Lets the current batch be finished and committed before its partitions are revoked.

    aiokafka awaits what these return, whatever its base class says.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            async with asyncio.timeout(_FINISH_SECONDS), self._reader.handling:
                await self._reader.commits.finish()
        except TimeoutError:
            log.warning("%d partitions are taken away from a handler at work", len(revoked))
        except KafkaError as error:
            log.info("%d partitions go without their last commit: %s", len(revoked), error)

    async def on_partitions_assigned(self, assigned: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        log.debug("%d partitions assigned", len(assigned))
