"""Processes whose caches follow a registry, and a second client that registers versions."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from llm_integrations.core.events import SchemaEvent, connect_bus
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.registry.settings import Publisher
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher
from tests.support.follower_worker import SUBJECT
from tests.support.kafka import kafka_broker
from tests.support.registry_server import registry_server
from tests.support.webhooks import SECRET

__all__ = ["SOURCES", "Heard", "followers"]

SOURCES = ("kafka", "schemas", "watch", "poll", "webhook")
_START_AT_ONCE = 4
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Heard:
    """What one process found in its cache when its handler was called."""

    seconds: float
    """From the moment that the change was published (in a folder: was begun to be written)."""
    followed: bool
    """Whether the cache had the event's version as latest."""


@dataclass
class Followers:
    """Some processes that listen to one source."""

    writer: Registry
    processes: list[asyncio.subprocess.Process]
    bus: _Stamping | None
    tell: Callable[[int], Any] | None

    async def register(self, number: int) -> list[Heard]:
        """Register a version; what each process heard of it."""
        began = time.monotonic()
        schema = await self.writer.aio.register(SUBJECT, _body(number))
        if self.bus is not None:
            began = self.bus.published
        if self.tell is not None:
            began = time.monotonic()
            await self.tell(number)
        return await asyncio.gather(
            *(_heard(process, str(schema.version), began) for process in self.processes)
        )


@dataclass
class _Stamping:
    """A bus that knows when it was last asked to publish."""

    bus: Publisher
    published: float = 0.0

    async def publish(self, event: SchemaEvent) -> None:
        self.published = time.monotonic()
        await self.bus.publish(event)


async def _heard(process: asyncio.subprocess.Process, version: str, began: float) -> Heard:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while True:
            said = json.loads(await process.stdout.readline())
            if said["version"] == version:
                return Heard(said["at"] - began, said["latest"] == version)


def _body(number: int) -> dict[str, Any]:
    return {"type": "object", "title": f"version {number}"}


@asynccontextmanager
async def followers(source: str, count: int, folder: Path) -> AsyncIterator[Followers]:
    """``count`` processes that listen to one of SOURCES, each with the first version cached."""
    async with AsyncExitStack() as stack:
        address = servers = ""
        bus: Publisher | None = None
        tell: Callable[[int], Any] | None = None
        if source == "watch":
            url = str(folder / "schemas")
        else:
            url = stack.enter_context(registry_server()).url
        if source in ("kafka", "schemas"):
            servers = stack.enter_context(kafka_broker(folder)).servers
            address = f"kafka://{servers}/{'changes' if source == 'kafka' else '_schemas'}"
        if source == "kafka":
            bus = await stack.enter_async_context(connect_bus(address, partitions=1))
        if source == "schemas":
            tell = await _schemas_topic(servers, stack)
        with connect(url) as registry:
            registry.register(SUBJECT, _body(1), compatibility="NONE")
        workers: list[asyncio.subprocess.Process] = []
        ports: list[int] = []
        for first in range(0, count, _START_AT_ONCE):
            few = range(first, min(first + _START_AT_ONCE, count))
            workers += [await _worker(stack, source, url, address) for _ in few]
            ports += [await _ready(worker) for worker in workers[first:]]
        if source == "webhook":
            configs = [WebhookConfig(f"http://127.0.0.1:{p}/", secret=SECRET) for p in ports]
            dispatcher = WebhookDispatcher(configs, folder / "outbox.db", allow_private=True)
            bus = await stack.enter_async_context(dispatcher)
        stamping = None if bus is None else _Stamping(bus)
        writer = stack.enter_context(connect(url, bus=stamping))
        yield Followers(writer, workers, stamping, tell)


async def _schemas_topic(servers: str, stack: AsyncExitStack) -> Callable[[int], Any]:
    """Writes into the registry's log what the registry under test, having none, does not."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic("_schemas", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    stack.push_async_callback(producer.stop)

    async def tell(number: int) -> None:
        key = {"keytype": "SCHEMA", "subject": SUBJECT, "version": number, "magic": 1}
        value = {"subject": SUBJECT, "version": number, "id": number, "schemaType": "JSON"}
        value |= {"schema": json.dumps(_body(number)), "deleted": False}
        await producer.send_and_wait(
            "_schemas", json.dumps(value).encode(), key=json.dumps(key).encode()
        )

    await tell(1)
    return tell


async def _worker(
    stack: AsyncExitStack, source: str, url: str, address: str
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.support.follower_worker", source, url, address],
        cwd=_ROOT,
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
    )

    async def end() -> None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()

    stack.push_async_callback(end)
    return process


async def _ready(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    async with asyncio.timeout(120):
        word, port = (await process.stdout.readline()).split()
    assert word == b"ready"
    return int(port)
