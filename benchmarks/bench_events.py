"""How soon a cache hears of a change, and how many events a listener takes, beside bare clients."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.harness import Row, Section
from llm_integrations.core.events import EventListener, SchemaEvent, connect_bus
from llm_integrations.core.events.cloudevents import from_json, to_json
from llm_integrations.core.integration import LLMModuleIntegration
from llm_integrations.core.registry import connect
from llm_integrations.core.registry.pending import Pending
from tests.support.followers import Heard, followers
from tests.support.kafka import Broker, kafka_broker
from tests.support.rabbitmq import RabbitMQ, rabbitmq_server

SAMPLES = 300
RUNS = 5
KAFKA_EVENTS = 40_000
RABBITMQ_EVENTS = 10_000
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PROCESSES = 20
REGISTRATIONS = 30
WARM_UP = 3
PROCESS_SOURCES = {
    "kafka": "Kafka bus",
    "schemas": "a registry's `_schemas` topic",
    "watch": "a folder that is watched",
    "webhook": "webhooks, one to each process",
}
KAFKA_OPTIONS = {"session_timeout": 1.0, "fetch_wait": 0.005}


class Counting(LLMModuleIntegration):
    """Counts the events that it is given."""

    count = 0

    @property
    def name(self) -> str:
        return "counting"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        self.count += 1


def events(count: int) -> list[SchemaEvent]:
    """Updates of 200 subjects, with the metadata that a registry's client gives them."""
    metadata = {
        "registry": "http://registry.example:8081",
        "fingerprint": "0" * 64,
        "state": "ACTIVE",
        "owner": "team-a",
    }
    return [
        SchemaEvent.updated(i, "com.example", f"s{i % 200}", 2 + i // 200, 1, metadata=metadata)
        for i in range(count)
    ]


# -- latency ----------


async def latency(url: str, **options: Any) -> float:
    """Median seconds from the call of publish to the moment that the cache was told."""
    registry = connect("memory://")
    told: asyncio.Queue[float] = asyncio.Queue()
    follow = registry.follow

    def stamped(events: Iterable[SchemaEvent]) -> Pending[bool]:
        outcome = follow(events)
        told.put_nowait(time.perf_counter())
        return outcome

    registry.follow = stamped  # type: ignore[method-assign]  # the moment is what we measure
    samples = []
    async with (
        connect_bus(url, **options) as bus,
        EventListener(registry, buses=[bus]),
    ):
        for event in events(SAMPLES):
            started = time.perf_counter()
            publishing = asyncio.create_task(bus.publish(event))
            samples.append(await told.get() - started)
            await publishing
            await asyncio.sleep(0.002)
    registry.close()
    return statistics.median(samples[SAMPLES // 10 :])


# -- many processes ----------


async def heard_in(source: str, count: int, folder: Path) -> list[Heard]:
    """What each of ``count`` processes heard of each of some registrations, one after another."""
    found = []
    async with followers(source, count, folder) as some:
        for number in range(2, 2 + WARM_UP + REGISTRATIONS):
            heard = await some.register(number)
            if number >= 2 + WARM_UP:
                found += heard
            await asyncio.sleep(0.05)
    return found


def measure_processes() -> Section:
    section = Section(
        f"Events: from a registration to the handlers of {PROCESSES} processes",
        f"{REGISTRATIONS} versions of a schema that every process has in its cache, registered one "
        "after another by another client; from the moment that it publishes until each handler is "
        "called. Beside it, in how many of these calls the cache had the new version already. "
        f"Two processors for all {PROCESSES} processes, broker and registry.",
    )
    for source, what in PROCESS_SOURCES.items():
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(heard_in(source, PROCESSES, Path(folder)))
        seconds = [heard.seconds for heard in found]
        followed = sum(heard.followed for heard in found)
        p99 = statistics.quantiles(seconds, n=100)[98]
        median = statistics.median(seconds)
        section.add(
            Row(
                what,
                f"p50 {milliseconds(median)}, p99 {milliseconds(p99)}, "
                f"cache first in {followed:,} of {len(found):,}",
                aim="p99 < 250 ms, cache first in all",
                met=p99 < 0.250 and followed == len(found),
            )
        )
    return section


# -- throughput ----------


async def drained(counting: Counting, count: int) -> float:
    """Seconds per event, from the first one handled to the last."""
    while not counting.count:  # noqa: ASYNC110 - a counter, so that counting costs nothing
        await asyncio.sleep(0.0005)
    first, started = counting.count, time.perf_counter()
    while counting.count < count:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    return (time.perf_counter() - started) / (count - first)


@asynccontextmanager
async def listening(url: str, **options: Any) -> AsyncIterator[Counting]:
    """A listener with one integration, recognising repetitions, its state in SQLite."""
    registry = connect("memory://")
    counting = Counting(registry)
    with tempfile.TemporaryDirectory() as folder:
        bus = connect_bus(url, **options)
        group = f"g-{uuid.uuid4().hex}"
        state = Path(folder) / "state.db"
        async with bus, EventListener(None, [counting], buses=[bus], group=group, state=state):
            yield counting
    registry.close()


async def fill_kafka(broker: Broker, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.servers, linger_ms=5)
    await producer.start()
    sent = [
        await producer.send(topic, to_json(event), key=event.subject.encode())
        for event in events(KAFKA_EVENTS)
    ]
    await asyncio.gather(*sent)
    await producer.stop()


async def bare_kafka(broker: Broker, topic: str) -> float:
    """Parse and acknowledge, batch by batch."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.servers,
        group_id=f"bare-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=1000,
        heartbeat_interval_ms=300,
        fetch_max_wait_ms=5,
    )
    await consumer.start()
    count, first, started = 0, 0, 0.0
    while count < KAFKA_EVENTS:
        batch = await consumer.getmany(timeout_ms=1000, max_records=500)
        for records in batch.values():
            for record in records:
                from_json(record.value)
                count += 1
        if batch:
            await consumer.commit({p: records[-1].offset + 1 for p, records in batch.items()})
        if not started:
            first, started = count, time.perf_counter()
    seconds = (time.perf_counter() - started) / (count - first)
    await consumer.stop()
    return seconds


async def our_kafka(broker: Broker, topic: str) -> float:
    url = f"kafka://{broker.servers}/{topic}"
    async with listening(url, **KAFKA_OPTIONS) as counting:
        return await drained(counting, KAFKA_EVENTS)


async def fill_rabbitmq(server: RabbitMQ, exchange: str, queues: list[str]) -> None:
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        target = await channel.declare_exchange(exchange, "topic", durable=True)
        for name in queues:
            arguments = {
                "x-dead-letter-exchange": f"{exchange}.dead-letter",
                "x-queue-type": "classic",
                "x-single-active-consumer": True,
            }
            queue = await channel.declare_queue(name, durable=True, arguments=arguments)
            await queue.bind(target, "#")
        for event in events(RABBITMQ_EVENTS):
            message = aio_pika.Message(
                to_json(event), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
            )
            await target.publish(message, routing_key=event.subject)


async def bare_rabbitmq(server: RabbitMQ, queue_name: str) -> float:
    """Parse and acknowledge, message by message."""
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        queue = await channel.get_queue(queue_name)
        done = asyncio.Event()
        count, started = 0, 0.0

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            nonlocal count, started
            from_json(message.body)
            await message.ack()
            started = started or time.perf_counter()
            count += 1
            if count == RABBITMQ_EVENTS:
                done.set()

        await queue.consume(take)
        await done.wait()
        return (time.perf_counter() - started) / (RABBITMQ_EVENTS - 1)


async def our_rabbitmq(server: RabbitMQ, exchange: str, group: str) -> float:
    registry = connect("memory://")
    counting = Counting(registry)
    with tempfile.TemporaryDirectory() as folder:
        bus = connect_bus(f"{server.url}?exchange={exchange}")
        state = Path(folder) / "state.db"
        async with bus, EventListener(None, [counting], buses=[bus], group=group, state=state):
            seconds = await drained(counting, RABBITMQ_EVENTS)
    registry.close()
    return seconds


# -- the tables ----------


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def add_latency(section: Section, what: str, seconds: float, aim: float) -> None:
    section.add(
        Row(
            what,
            f"p50 {milliseconds(seconds)}",
            aim=f"p50 < {aim * 1e3:g} ms",
            met=seconds < aim,
        )
    )


async def by_turns(
    first: Callable[[], Awaitable[float]], second: Callable[[], Awaitable[float]], runs: int
) -> tuple[float, float]:
    """Medians of both, turn by turn, so that a busy moment of the machine hits both."""
    pairs = [(await first(), await second()) for _ in range(runs)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def add_throughput(section: Section, what: str, ours: float, bare: float, floor: int) -> None:
    ratio = bare / ours
    section.add(
        Row(
            what,
            f"{1 / ours:,.0f}/s",
            f"{1 / bare:,.0f}/s",
            f"{ratio:.2f}",
            f"≥ {floor:,}/s, ≥ 0.5 of it",
            1 / ours >= floor and ratio >= 0.5,
        )
    )


def measure_kafka(latencies: Section, throughput: Section) -> None:
    with tempfile.TemporaryDirectory() as folder, kafka_broker(Path(folder)) as broker:
        url = f"kafka://{broker.servers}/latency"
        seconds = asyncio.run(latency(url, **KAFKA_OPTIONS))
        add_latency(latencies, "through Kafka", seconds, 0.010)
        asyncio.run(fill_kafka(broker, "backlog"))
        ours, bare = asyncio.run(
            by_turns(
                lambda: our_kafka(broker, "backlog"), lambda: bare_kafka(broker, "backlog"), RUNS
            )
        )
        add_throughput(throughput, "Kafka; peer: bare aiokafka", ours, bare, 10_000)


async def rabbitmq_round(server: RabbitMQ) -> tuple[float, float]:
    exchange = f"x-{uuid.uuid4().hex}"
    queues = [f"{exchange}.ours.counting", f"{exchange}.bare"]
    await fill_rabbitmq(server, exchange, queues)
    return await our_rabbitmq(server, exchange, "ours"), await bare_rabbitmq(server, queues[1])


def measure_rabbitmq(latencies: Section, throughput: Section) -> None:
    what = "RabbitMQ; peer: bare aio-pika"
    if not RABBITMQ.exists():
        for section in (latencies, throughput):
            section.add(Row(what, "not measured: tests/real/install-rabbitmq installs it"))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(rabbitmq_server(folder))
        add_latency(latencies, "through RabbitMQ", asyncio.run(latency(server.url)), 0.010)
        rounds = [asyncio.run(rabbitmq_round(server)) for _ in range(3)]
        ours, bare = (statistics.median(some) for some in zip(*rounds, strict=True))
        add_throughput(throughput, what, ours, bare, 2_000)


def run() -> list[Section]:
    latencies = Section(
        "Events: from publish to the cache dropped",
        "One process publishes and listens, one event at a time. The Kafka broker is tansu, which "
        "looks for news only as often as it is asked to (`fetch_wait=0.005`); Kafka itself "
        "answers at once.",
    )
    throughput = Section(
        "Events: throughput of a listener",
        "A backlog, one integration, repetitions recognised, its state in SQLite; beside a "
        "consumer that parses each event and acknowledges it, and nothing else.",
    )
    add_latency(latencies, "in memory", asyncio.run(latency("memory://")), 0.001)
    measure_kafka(latencies, throughput)
    measure_rabbitmq(latencies, throughput)
    return [latencies, measure_processes(), throughput]
