"""Publishing records to Kafka, from any thread and event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from llm_integrations.core.events.brokers.kafka.clients import Clients, event_errors, quietly
from llm_integrations.core.events.brokers.shared_client import PUBLISHING, SharedClient

__all__ = ["Headers", "Publisher"]

Headers = list[tuple[str, bytes]]


class Publisher(SharedClient):
    """One producer, started on first use."""

    def __init__(self, clients: Clients) -> None:
        super().__init__()
        self._clients = clients

    async def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Return once all in-sync replicas have the record.

        Raises:
            EventError: not within ``publish_timeout`` seconds. It may arrive all the same.
        """
        await PUBLISHING.call(self._send(topic, key, value, headers))

    async def _send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        timeout = self._clients.options.publish_timeout
        with event_errors(f"publishing to topic {topic} of Kafka at {self._clients.servers}"):
            async with asyncio.timeout(timeout):
                producer = await self._made()
                # A topic that a broker named unasked is forgotten when another one is asked for,
                # and a record on its way to it then waits for a leader until its time is up.
                await producer.client.add_topic(topic)
                await producer.send_and_wait(topic, value, key=key, headers=headers)

    async def _make(self) -> Any:
        producer = self._clients.producer()
        try:
            await producer.start()
        except BaseException:
            await quietly(producer)
            raise
        return producer

    async def _drop(self, client: Any) -> None:
        await quietly(client)
