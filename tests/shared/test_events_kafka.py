"""The Kafka bus on a real broker: delivery, dead letters, and how a broker can let us down."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import EventError
from llm_integrations.core.events import EventBus, EventListener, SchemaEvent, connect_bus
from llm_integrations.core.events.brokers.kafka.clients import Clients
from llm_integrations.core.events.brokers.kafka.publisher import Publisher
from llm_integrations.core.events.cloudevents import from_json, to_json
from llm_integrations.core.registry import connect
from tests.support.certificates import make_certificates
from tests.support.event_worker import rows
from tests.support.events import IMPATIENT, Recording, event, events, until
from tests.support.kafka import Broker, durable_broker, free_port, kafka_broker, start_process
from tests.support.tls_relay import tls_relay

FAST: dict[str, Any] = {
    "session_timeout": 1.0,
    "fetch_wait": 0.02,
    "check_interval": 0.2,
    "commit_timeout": 1.0,
    "lost_log_after": 0.3,
    "delivery": IMPATIENT,
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with kafka_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic() -> str:
    return f"schemas-{uuid.uuid4().hex}"


@pytest.fixture
def workers() -> str:
    """A group of this test's own: the broker is shared."""
    return f"workers-{uuid.uuid4().hex}"


@pytest.fixture
async def bus(broker: Broker, topic: str) -> AsyncIterator[EventBus]:
    async with connect_bus(f"kafka://{broker.servers}/{topic}", **FAST) as bus:
        yield bus


class Recorder:
    def __init__(self) -> None:
        self.seen: list[SchemaEvent] = []

    async def __call__(self, event: SchemaEvent) -> None:
        self.seen.append(event)

    @property
    def ids(self) -> set[str]:
        return {event.event_id for event in self.seen}


async def read(broker: Broker, topic: str) -> list[Any]:
    """Every record of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        records: list[Any] = []
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while len(records) < sum(ends.values()):
            for some in (await consumer.getmany(timeout_ms=200)).values():
                records += some
        return records
    finally:
        await consumer.stop()


async def test_an_event_travels_as_a_cloudevent_keyed_by_its_subject(
    bus: EventBus, broker: Broker, topic: str
) -> None:
    sent = event("ns.user@x/y", 3, owner="team-a")
    await bus.publish(sent)
    [record] = await read(broker, topic)
    assert record.key == b"ns.user@x/y"
    assert dict(record.headers)["content-type"].startswith(b"application/cloudevents+json")
    assert from_json(record.value) == sent


async def test_a_broadcast_hears_what_comes_and_a_new_group_also_what_is_there(
    bus: EventBus, workers: str
) -> None:
    await bus.publish(event(version=1))
    everyone, group = Recorder(), Recorder()
    await bus.subscribe(everyone)
    await bus.subscribe(group, group=workers)
    await bus.publish(event(version=2))
    await until(lambda: everyone.seen and len(group.seen) == 2)
    assert [e.version for e in everyone.seen] == ["2"]
    assert [e.version for e in group.seen] == ["1", "2"]
    health = await bus.health_check()
    assert health
    assert health.detail["connected"] == 2


async def test_a_missing_topic_is_made_with_the_partitions_asked_for(
    broker: Broker, topic: str
) -> None:
    url = f"kafka://{broker.servers}/{topic}"
    async with connect_bus(url, **FAST, partitions=2) as bus:
        for _ in range(2):
            await bus.subscribe(Recorder())
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.servers)
    await admin.start()
    [found] = await admin.describe_topics([topic])
    await admin.close()
    assert len(found["partitions"]) == 2


async def test_a_group_goes_on_after_its_last_acknowledgement(
    broker: Broker, bus: EventBus, topic: str, workers: str
) -> None:
    first, second = Recorder(), Recorder()
    subscription = await bus.subscribe(first, group=workers)
    await bus.publish(event(version=1))
    await until(lambda: first.seen)
    await subscription.cancel()
    await bus.publish(event(version=2))
    async with connect_bus(f"kafka://{broker.servers}/{topic}", **FAST) as later:
        await later.subscribe(second, group=workers)
        await until(lambda: second.seen)
        await asyncio.sleep(0.1)
    assert [e.version for e in second.seen] == ["2"]


async def test_what_cannot_be_read_or_handled_is_dead_lettered_and_the_next_is_handled(
    bus: EventBus, broker: Broker, topic: str, workers: str
) -> None:
    handled = Recorder()

    async def handler(e: SchemaEvent) -> None:
        if e.version == "2":
            raise ValueError("cannot digest this")
        await handled(e)

    await bus.subscribe(handler, group=workers)
    producer = AIOKafkaProducer(bootstrap_servers=broker.servers)
    await producer.start()
    for poison in (b"no event", b"", None):
        await producer.send_and_wait(topic, poison, key=b"ns.user")
    await producer.stop()
    for version in (1, 2, 3):
        await bus.publish(event(version=version))
    await until(lambda: len(handled.seen) == 2)
    assert [e.version for e in handled.seen] == ["1", "3"]
    letters = await read(broker, f"{topic}.dead-letter")
    headers = [dict(letter.headers) for letter in letters]
    reasons = sorted(h["dead-letter-reason"] for h in headers)
    assert reasons == [b"EventError: not JSON (JSONDecodeError)"] * 3 + [
        b"ValueError: cannot digest this"
    ]
    assert {h["dead-letter-group"] for h in headers} == {workers.encode()}
    failed = next(x for x in letters if b"ValueError" in dict(x.headers)["dead-letter-reason"])
    assert from_json(failed.value).version == "2"
    assert failed.key == b"ns.user"
    assert dict(failed.headers)["dead-letter-origin"].startswith(topic.encode() + b"/")


def poisoned(old: bytes, new: bytes) -> bytes:
    raw = to_json(replace(event(version=1), timestamp=datetime(2026, 1, 1, tzinfo=UTC)))
    assert old in raw
    return raw.replace(old, new)


async def test_no_record_holds_up_what_stands_behind_it(
    bus: EventBus, broker: Broker, topic: str, workers: str
) -> None:
    poison = [
        poisoned(b"2026-01-01T00:00:00Z", b"9999-12-31T23:59:59-14:00"),
        poisoned(b"2026-01-01T00:00:00Z", b"0001-01-01T00:00:00+14:00"),
        poisoned(b'"version":"1"', b'"version":"\\ud800"'),
        poisoned(b'"previous_version":null', b'"previous_version":' + b"[" * 5000 + b"]" * 5000),
        poisoned(b'"previous_version":null', b'"previous_version":' + b"9" * 5000),
        poisoned(b'"metadata":{', b'"metadata":{"x":1e400,'),
        b"[" * 100_000,
        b"\xff\xfe",
    ]
    handled = Recorder()
    await bus.subscribe(handled, group=workers)
    producer = AIOKafkaProducer(bootstrap_servers=broker.servers)
    await producer.start()
    for record in poison:
        await producer.send_and_wait(topic, record, key=b"ns.user")
    await producer.stop()
    await bus.publish(event(version=2))
    await until(lambda: handled.seen)
    assert [e.version for e in handled.seen] == ["2"]
    letters = await read(broker, f"{topic}.dead-letter")
    assert sorted(letter.value for letter in letters) == sorted(poison)
    reasons = [dict(letter.headers)["dead-letter-reason"] for letter in letters]
    assert all(reason.startswith(b"EventError: ") for reason in reasons)


async def test_two_listeners_in_a_group_handle_each_event_once_and_both_drop_their_caches(
    bus: EventBus, broker: Broker, topic: str, workers: str
) -> None:
    registries = [connect("memory://"), connect("memory://")]
    for registry in registries:
        registry.register("ns.s0", {"type": "object"})
        registry.get("ns.s0@1")
    members = [Recording(registry) for registry in registries]
    async with (
        connect_bus(f"kafka://{broker.servers}/{topic}", **FAST) as other,
        EventListener(registries[0], [members[0]], buses=[bus], group=workers),
        EventListener(registries[1], [members[1]], buses=[other], group=workers),
    ):
        await asyncio.sleep(1.5)  # the second member's arrival shares the partitions out anew
        sent = [*events(40, subjects=20), SchemaEvent.deleted(1, "ns", "s0", 1)]
        for e in sent:
            await bus.publish(e)
        await until(lambda: len(members[0].seen) + len(members[1].seen) >= len(sent))
        await until(lambda: not any(r.peek("ns.s0@1") for r in registries))
    handled = [e.event_id for member in members for e in member.seen]
    assert sorted(handled) == sorted(e.event_id for e in sent)
    assert all(member.seen for member in members), "the work was shared"
    for registry in registries:
        registry.close()


async def test_one_change_heard_by_a_bus_and_a_source_has_one_effect(
    bus: EventBus, workers: str
) -> None:
    registry = connect("memory://")
    recording = Recording(registry)
    async with EventListener(registry, [recording], buses=[bus], group=workers) as listener:
        change = event()
        await asyncio.gather(bus.publish(change), listener.receive([change]), bus.publish(change))
        await bus.publish(event(version=2))
        await until(lambda: len(recording.seen) == 2)
    assert [e.version for e in recording.seen] == ["1", "2"]
    registry.close()


async def test_an_event_is_acknowledged_after_its_handler_and_not_before(
    bus: EventBus, broker: Broker, topic: str, workers: str
) -> None:
    gate, entered = asyncio.Event(), asyncio.Event()

    async def handler(_: SchemaEvent) -> None:
        entered.set()
        await gate.wait()

    await bus.subscribe(handler, group=workers)
    await bus.publish(event())
    await entered.wait()
    assert await committed(broker, topic, workers) == 0
    gate.set()
    deadline = time.monotonic() + 60
    while await committed(broker, topic, workers) == 0:
        assert time.monotonic() < deadline
    assert await committed(broker, topic, workers) == 1


async def committed(broker: Broker, topic: str, group: str) -> int:
    """How many records of the topic a group has acknowledged."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.servers, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(4)]
        consumer.assign(partitions)
        return sum([await consumer.committed(p) or 0 for p in partitions])
    finally:
        await consumer.stop()


def test_publishers_on_any_thread_share_one_connection(broker: Broker) -> None:
    bus = connect_bus(f"kafka://{broker.servers}/threads", **FAST)

    async def publish() -> None:
        for e in events(10):
            await bus.publish(e)

    threads = [threading.Thread(target=lambda: asyncio.run(publish())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asyncio.run(read(broker, "threads"))) == 40
    asyncio.run(bus.close())
    with pytest.raises(EventError, match="closed"):
        asyncio.run(bus.publish(event()))


async def test_a_broker_that_is_not_there_is_an_event_error_within_the_deadline() -> None:
    options = {**FAST, "connect_timeout": 0.5, "publish_timeout": 0.5}
    async with connect_bus(f"kafka://127.0.0.1:{free_port()}/t", **options) as bus:
        started = time.monotonic()
        with pytest.raises(EventError, match="Kafka at 127"):
            await bus.publish(event())
        with pytest.raises(EventError, match="Kafka at 127"):
            await bus.subscribe(Recorder())
        assert not await bus.health_check()
        assert time.monotonic() - started < 60


async def test_a_topic_that_is_deleted_under_a_subscription_is_taken_up_again(
    bus: EventBus, broker: Broker, topic: str, workers: str
) -> None:
    everyone, group = Recorder(), Recorder()
    gaps: list[bool] = []
    await bus.subscribe(everyone, on_gap=lambda: gaps.append(True))
    await bus.subscribe(group, group=workers)
    await bus.publish(event(version=1))
    await until(lambda: everyone.seen and group.seen)
    await delete_topic(broker, topic)
    await until(lambda: gaps)
    async with asyncio.timeout(60):
        # This broker may take a record for the topic that is gone, and lose it.
        while not all({"1", "2"} == {e.version for e in r.seen} for r in (everyone, group)):
            await until_published(bus, event(version=2))
            await asyncio.sleep(0.5)


async def delete_topic(broker: Broker, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.servers)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()


async def make_topic(broker: Broker, topic: str) -> None:
    """This broker takes records for a topic that it lost, and then does not give them out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 4, 1)])
    await admin.close()


async def until_published(bus: EventBus, e: SchemaEvent) -> None:
    """Publish, again if need be."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await bus.publish(e)
            except EventError:
                await asyncio.sleep(0.2)


async def test_a_broker_that_comes_back_without_its_log_is_read_from_the_new_beginning(
    tmp_path: Path, workers: str
) -> None:
    with kafka_broker(tmp_path) as broker:
        async with connect_bus(f"kafka://{broker.servers}/t", **FAST) as bus:
            everyone, group = Recorder(), Recorder()
            gaps: list[bool] = []
            await bus.subscribe(everyone, on_gap=lambda: gaps.append(True))
            await bus.subscribe(group, group=workers)
            for version in range(1, 21):
                await bus.publish(event(version=version))
            await until(lambda: len(everyone.seen) == len(group.seen) == 20)
            broker.kill()
            broker.start()
            await make_topic(broker, "t")
            await until_published(bus, event(version=21))
            await until(lambda: "21" in {e.version for e in everyone.seen})
            await until(lambda: "21" in {e.version for e in group.seen})
            await until(lambda: gaps)


async def test_a_commit_that_is_never_answered_does_not_hold_up_the_group(
    bus: EventBus, broker: Broker, topic: str, workers: str, caplog: pytest.LogCaptureFixture
) -> None:
    handled = Recorder()

    async def handler(e: SchemaEvent) -> None:
        await handled(e)
        if e.version == "1":  # the commit that follows concerns a topic that is no more
            await delete_topic(broker, topic)

    await bus.subscribe(handler, group=workers)
    await bus.publish(event(version=1))
    await until(lambda: "connecting again" in caplog.text)
    await make_topic(broker, topic)
    await until_published(bus, event(version=2))
    await until(lambda: "2" in {e.version for e in handled.seen})


async def test_a_broker_killed_while_events_flow_loses_none_of_them(
    tmp_path: Path, workers: str
) -> None:
    options = {**FAST, "lost_log_after": 5.0}  # its storage is slow
    with durable_broker(tmp_path) as broker:
        registry = connect("memory://")
        stale: list[bool] = []
        registry.mark_latest_stale = lambda: stale.append(True)  # type: ignore[method-assign]  # a spy
        worker, everywhere = (
            Recording(registry, "w"),
            Recording(registry, "b", delivery="broadcast"),
        )
        bus = connect_bus(f"kafka://{broker.servers}/t", **options)
        async with (
            bus,
            EventListener(registry, [worker, everywhere], buses=[bus], group=workers) as listener,
        ):
            sent = events(12, subjects=3)
            flowing = asyncio.create_task(publish_all(bus, sent))
            await until(lambda: len(worker.seen) > 3)
            broker.kill()
            await asyncio.sleep(0.5)
            assert not (await listener.health()).ok
            broker.start()
            await flowing
            wanted = {e.event_id for e in sent}
            await until(lambda: {e.event_id for e in worker.seen} == wanted)
            await until(lambda: {e.event_id for e in everywhere.seen} == wanted)
            assert len(worker.seen) == len(wanted), "a repeated delivery is recognised"
            await until(lambda: stale)
            for subject in {e.subject for e in sent}:
                versions = [int(e.version) for e in worker.seen if e.subject == subject]
                assert versions == sorted(versions)
        registry.close()


async def publish_all(bus: EventBus, sent: list[SchemaEvent]) -> None:
    for e in sent:
        await until_published(bus, e)
        await asyncio.sleep(0.01)


async def test_a_consumer_killed_between_handling_and_acknowledging_handles_again_with_one_effect(
    bus: EventBus, broker: Broker, topic: str, tmp_path: Path
) -> None:
    state, effects = str(tmp_path / "state.db"), str(tmp_path / "effects.db")
    command = [sys.executable, "-m", "tests.support.event_worker"]
    command += [f"kafka://{broker.servers}/{topic}", state, effects]
    for version in range(1, 6):
        await bus.publish(event(version=version))
    dying = start_process([*command, "3"], tmp_path, "dying")
    assert await asyncio.to_thread(dying.wait, 60) == -9
    living = start_process(command, tmp_path, "living")
    try:
        await until(lambda: sum(rows(state, "SELECT version FROM effects").values()) == 5)
    finally:
        living.kill()
        living.wait()
    calls = rows(effects, "SELECT version FROM calls")
    assert calls["3"] == 2, "at least once"
    assert rows(state, "SELECT version FROM effects") == dict.fromkeys("12345", 1)
    assert len(rows(effects, "SELECT event_id FROM keyed")) == 5


async def test_events_travel_over_tls_and_not_to_a_broker_that_nobody_vouches_for(
    tmp_path: Path,
) -> None:
    port, certificates = free_port(), make_certificates(tmp_path)
    url = f"kafka://127.0.0.1:{port}/over-tls"
    trusted = TLSOptions(ca=str(certificates.ca))
    with kafka_broker(tmp_path, advertised=port) as broker:
        async with tls_relay(certificates, port, broker.port):
            async with connect_bus(url, tls=trusted, **FAST) as bus:
                recorder = Recorder()
                await bus.subscribe(recorder, group="g")
                sent = event()
                await bus.publish(sent)
                await until(lambda: recorder.seen)
                assert recorder.ids == {sent.event_id}
            for tls in (True, False):
                async with connect_bus(url, tls=tls, **FAST) as bus:
                    with pytest.raises(EventError, match="over-tls"):
                        await bus.publish(sent)


async def test_a_topic_that_a_broker_names_unasked_is_not_forgotten_over_a_second(
    broker: Broker, topic: str
) -> None:
    """aiokafka would: a record for the first that is on its way just then waits in vain."""
    clients = Clients.of(f"kafka://{broker.servers}/{topic}", partitions=4)
    await clients.ensure_topic(topic)
    publisher = Publisher(clients)
    try:
        await publisher.send(topic, b"k", b"one", [])
        await publisher.send(f"{topic}.dead-letter", b"k", b"two", [])
        assert publisher._client.client.cluster.partitions_for_topic(topic)
    finally:
        await publisher.close()
