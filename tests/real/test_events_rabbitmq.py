"""The RabbitMQ bus on a real broker: delivery, dead letters, and a broker that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import EventError
from llm_integrations.core.events import EventBus, EventListener, SchemaEvent, connect_bus
from llm_integrations.core.events.brokers.rabbitmq.broker import Broker
from llm_integrations.core.events.brokers.rabbitmq.options import RabbitMQAddress, RabbitMQOptions
from llm_integrations.core.events.brokers.rabbitmq.publisher import Publisher
from llm_integrations.core.events.cloudevents import from_json
from llm_integrations.core.registry import connect
from tests.support.event_worker import rows
from tests.support.events import IMPATIENT, Recording, event, events, until
from tests.support.kafka import free_port, start_process
from tests.support.rabbitmq import RabbitMQ, rabbitmq_server

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture
def exchange() -> str:
    return f"schemas-{uuid.uuid4().hex}"


@pytest.fixture
def url(server: RabbitMQ, exchange: str) -> str:
    return f"{server.url}?exchange={exchange}"


@pytest.fixture
async def bus(url: str) -> AsyncIterator[EventBus]:
    async with connect_bus(url, delivery=IMPATIENT) as bus:
        yield bus


class Recorder:
    def __init__(self) -> None:
        self.seen: list[SchemaEvent] = []

    async def __call__(self, event: SchemaEvent) -> None:
        self.seen.append(event)

    @property
    def versions(self) -> list[str]:
        return [event.version for event in self.seen]


async def drained(server: RabbitMQ, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """Every message of a queue."""
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        found = []
        there = await channel.get_queue(queue)
        while (message := await there.get(no_ack=True, fail=False)) is not None:
            found.append(message)
        return found


async def test_an_event_travels_persistent_as_a_cloudevent_routed_by_its_subject(
    bus: EventBus, server: RabbitMQ, exchange: str
) -> None:
    subscription = await bus.subscribe(Recorder(), group="g")  # so that there is a queue
    await subscription.cancel()
    sent = event("ns.user", 3, owner="team-a")
    await bus.publish(sent)
    [message] = await drained(server, f"{exchange}.g")
    assert message.routing_key == "ns.user"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.content_type is not None
    assert message.content_type.startswith("application/cloudevents+json")
    assert message.message_id == sent.event_id
    assert from_json(message.body) == sent


async def test_a_broadcast_hears_what_comes_and_a_group_also_what_came_while_it_was_away(
    bus: EventBus,
) -> None:
    everyone, others, first, second = Recorder(), Recorder(), Recorder(), Recorder()
    subscription = await bus.subscribe(first, group="g")
    await subscription.cancel()
    await bus.publish(event(version=1))
    await bus.subscribe(everyone)
    await bus.subscribe(others)
    await bus.subscribe(second, group="g")
    await bus.publish(event(version=2))
    await until(lambda: everyone.seen and others.seen and len(second.seen) == 2)
    assert everyone.versions == others.versions == ["2"]
    assert second.versions == ["1", "2"]
    assert first.seen == []
    health = await bus.health_check()
    assert health
    assert health.detail["connected"] == 3


async def test_what_cannot_be_read_or_handled_is_dead_lettered_and_the_next_is_handled(
    bus: EventBus, server: RabbitMQ, exchange: str
) -> None:
    handled = Recorder()

    async def handler(e: SchemaEvent) -> None:
        if e.version == "2":
            raise ValueError("cannot digest this")
        await handled(e)

    await bus.subscribe(handler, group="g")
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        target = await channel.get_exchange(exchange)
        await target.publish(aio_pika.Message(b"no event"), routing_key="ns.user")
    for version in (1, 2, 3):
        await bus.publish(event(version=version))
    await until(lambda: len(handled.seen) == 2)
    assert handled.versions == ["1", "3"]
    letters = await drained(server, f"{exchange}.dead-letter")
    reasons = [letter.headers["dead-letter-reason"] for letter in letters]
    assert sorted(map(str, reasons)) == [
        "EventError: not JSON (JSONDecodeError)",
        "ValueError: cannot digest this",
    ]
    assert {str(letter.headers["dead-letter-group"]) for letter in letters} == {"g"}
    assert [letter.body for letter in letters if letter.body == b"no event"]


async def test_an_event_that_was_not_acknowledged_goes_to_the_next_member(bus: EventBus) -> None:
    entered = asyncio.Event()

    async def never(_: SchemaEvent) -> None:
        entered.set()
        await asyncio.Event().wait()

    stuck = await bus.subscribe(never, group="g")
    other = Recorder()
    await bus.subscribe(other, group="g")
    await bus.publish(event())
    await entered.wait()
    assert other.seen == []
    await stuck.cancel()
    await until(lambda: other.seen)


async def test_two_listeners_in_a_group_handle_each_event_once_and_both_drop_their_caches(
    bus: EventBus, url: str
) -> None:
    registries = [connect("memory://"), connect("memory://")]
    for registry in registries:
        registry.register("ns.s0", {"type": "object"})
        registry.get("ns.s0@1")
    members = [Recording(registry) for registry in registries]
    async with (
        connect_bus(url) as other,
        EventListener(registries[0], [members[0]], buses=[bus]),
        EventListener(registries[1], [members[1]], buses=[other]),
    ):
        sent = [*events(40, subjects=20), SchemaEvent.deleted(1, "ns", "s0", 1)]
        for e in sent:
            await bus.publish(e)
        await until(lambda: len(members[0].seen) + len(members[1].seen) >= len(sent))
        await until(lambda: not any(r.peek("ns.s0@1") for r in registries))
    handled = [e.event_id for member in members for e in member.seen]
    assert sorted(handled) == sorted(e.event_id for e in sent)
    for registry in registries:
        registry.close()


async def test_a_queue_that_is_deleted_under_a_subscription_is_made_anew(
    bus: EventBus, server: RabbitMQ, exchange: str
) -> None:
    handled = Recorder()
    subscription = await bus.subscribe(handled, group="g")
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(f"{exchange}.g")
    await until(lambda: not subscription.connected)
    await until(lambda: subscription.connected)
    await bus.publish(event())
    await until(lambda: handled.seen)


async def test_a_subject_longer_than_a_routing_key_may_be_is_published_all_the_same(
    bus: EventBus,
) -> None:
    handled = Recorder()
    await bus.subscribe(handled)
    await bus.publish(event("ns." + "ü" * 300))
    await until(lambda: handled.seen)
    assert handled.seen[0].subject == "ns." + "ü" * 300


async def test_wrong_credentials_fail_at_once_and_are_not_told(server: RabbitMQ) -> None:
    url = f"amqp://someone:sesame@127.0.0.1:{server.port}/"
    async with connect_bus(url) as bus:
        started = time.monotonic()
        with pytest.raises(EventError) as refused:
            await bus.publish(event())
        with pytest.raises(EventError) as refused_too:
            await bus.subscribe(Recorder())
        assert time.monotonic() - started < 60
        assert not await bus.health_check()
        for error in (refused.value, refused_too.value):
            assert "sesame" not in str(error) + repr(bus)


async def test_events_travel_over_tls_and_not_to_a_broker_that_nobody_vouches_for(
    server: RabbitMQ, exchange: str
) -> None:
    url = f"amqps://guest:guest@127.0.0.1:{server.tls_port}/?exchange={exchange}"
    async with connect_bus(url, tls=TLSOptions(ca=str(server.certificates.ca))) as bus:
        recorder = Recorder()
        await bus.subscribe(recorder)
        sent = event()
        await bus.publish(sent)
        await until(lambda: recorder.seen)
        assert recorder.versions == [sent.version]
    async with connect_bus(url, publish_timeout=2) as bus:
        with pytest.raises(EventError, match="certificate"):
            await bus.publish(sent)


async def test_publishing_to_a_broker_that_is_away_waits_and_then_fails_clearly() -> None:
    port = free_port()
    async with connect_bus(f"amqp://127.0.0.1:{port}/", publish_timeout=0.5) as bus:
        started = time.monotonic()
        with pytest.raises(EventError, match=r"not confirmed within 0\.5 s"):
            await bus.publish(event())
        assert time.monotonic() - started > 0.4
        with pytest.raises(EventError, match="connecting"):
            await bus.subscribe(Recorder())


class _Deaf(Broker):
    """As aio-pika may: it takes the end of the time for trouble while closing."""

    attempts = 0

    async def connect(self) -> AbstractConnection:
        self.attempts += 1
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.3 if self.attempts == 1 else 0)
        raise EventError("connecting")


async def test_publishing_ends_in_time_even_if_the_client_swallows_the_cancellation() -> None:
    address = RabbitMQAddress.parse("amqp://127.0.0.1/")
    deaf = _Deaf(address, RabbitMQOptions(publish_timeout=0.1))
    with pytest.raises(EventError, match=r"not confirmed within 0\.1 s"):
        async with asyncio.timeout(5):
            await Publisher(deaf).send("schemas", "s", b"{}", {}, "id")
    assert deaf.attempts == 1


async def test_a_broker_killed_while_events_flow_loses_none_of_them(
    server: RabbitMQ, url: str
) -> None:
    registry = connect("memory://")
    stale: list[bool] = []
    registry.mark_latest_stale = lambda: stale.append(True)  # type: ignore[method-assign]  # a spy
    worker = Recording(registry, "w")
    bus = connect_bus(url, publish_timeout=60.0)
    async with bus, EventListener(registry, [worker], buses=[bus]) as listener:
        sent = events(200, subjects=6)

        async def publish_all() -> None:
            for e in sent:  # one that finds the broker away waits for it
                await bus.publish(e)

        flowing = asyncio.create_task(publish_all())
        await until(lambda: len(worker.seen) > 20)
        server.kill()
        await until(lambda: not any(s.connected for s in bus._subscriptions))  # type: ignore[attr-defined]
        assert not (await listener.health()).ok
        await asyncio.to_thread(server.start)
        await flowing
        wanted = {e.event_id for e in sent}
        await until(lambda: {e.event_id for e in worker.seen} == wanted)
        assert len(worker.seen) == len(wanted), "a repeated delivery is recognised"
        await until(lambda: stale)
        for subject in {e.subject for e in sent}:
            versions = [int(e.version) for e in worker.seen if e.subject == subject]
            assert versions == sorted(versions)
        assert (await listener.health()).ok
    registry.close()


async def test_a_consumer_killed_between_handling_and_acknowledging_handles_again_with_one_effect(
    bus: EventBus, url: str, tmp_path: Path
) -> None:
    state, effects = str(tmp_path / "state.db"), str(tmp_path / "effects.db")
    command = [sys.executable, "-m", "tests.support.event_worker", url, state, effects]
    queue = await bus.subscribe(Recorder(), group="llm-integrations.worker")
    await queue.cancel()
    for version in range(1, 6):
        await bus.publish(event(version=version))
    dying = start_process([*command, "3"], tmp_path, "dying")
    assert await asyncio.to_thread(dying.wait, 20) == -9
    living = start_process(command, tmp_path, "living")
    try:
        await until(lambda: sum(rows(state, "SELECT version FROM effects").values()) == 5, 20)
    finally:
        living.kill()
        living.wait()
    assert rows(effects, "SELECT version FROM calls")["3"] == 2, "at least once"
    assert rows(state, "SELECT version FROM effects") == dict.fromkeys("12345", 1)
    assert len(rows(effects, "SELECT event_id FROM keyed")) == 5
