"""Sending records, from any thread and event loop."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.kafka.clients import Clients, event_errors, quietly
from llm_integrations.core.events.brokers.publishing_loop import PUBLISHING

__all__ = ["Headers", "Publisher"]

Headers = list[tuple[str, bytes]]

# Producers of a parent process. Collecting one in a forked child would warn about it.
_inherited: Final[list[Any]] = []


class Publisher:
    """One producer, started on first use."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._producer: Any = None
        self._starting: asyncio.Lock | None = None
        self._pid = os.getpid()
        self._closed = False

    async def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Return once all in-sync replicas have the record.

        Raises:
            EventError: not within ``publish_timeout`` seconds. It may arrive all the same.
        """
        await PUBLISHING.call(self._send(topic, key, value, headers))

    async def close(self) -> None:
        self._closed = True
        await PUBLISHING.call(self._stop())

    async def _send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        timeout = self._clients.options.publish_timeout
        with event_errors(f"publishing to topic {topic} of Kafka at {self._clients.servers}"):
            async with asyncio.timeout(timeout):
                producer = await self._started()
                # A topic that a broker named unasked is forgotten when another one is asked for,
                # and a record on its way to it then waits for a leader until its time is up.
                await producer.client.add_topic(topic)
                await producer.send_and_wait(topic, value, key=key, headers=headers)

    async def _started(self) -> Any:
        if self._closed:
            raise EventError("the bus is closed")
        if self._pid != os.getpid():
            _inherited.append(self._producer)
            self._producer = self._starting = None
            self._pid = os.getpid()
        if self._producer is None:
            # Made here, since this loop is another one after a fork.
            self._starting = self._starting or asyncio.Lock()
            async with self._starting:
                if self._producer is None:
                    self._producer = await self._start()
        return self._producer

    async def _start(self) -> Any:
        producer = self._clients.producer()
        try:
            await producer.start()
        except BaseException:
            await quietly(producer)
            raise
        return producer

    async def _stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None and self._pid == os.getpid():
            await quietly(producer)
