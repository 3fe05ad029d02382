"""EventListener: who gets an event, how often, in which order, and what survives a restart."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import pytest

from llm_integrations.core.errors import ConfigurationError, EventError, RegistryUnavailable
from llm_integrations.core.events import (
    EventBus,
    EventListener,
    EventSource,
    InMemoryEventBus,
    ListenerState,
    SchemaEvent,
)
from llm_integrations.core.events.bus import OnGap, Subscription
from llm_integrations.core.events.delivery.deliverer import BatchHandler
from llm_integrations.core.registry import Registry, connect
from tests.support.events import IMPATIENT, Recording, event, events, until


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as registry:
        yield registry


class Scripted(EventSource):
    """Yields what it was given, and remembers which batches were asked past."""

    def __init__(self, *script: Sequence[SchemaEvent] | Exception, name: str = "scripted") -> None:
        self.name = name
        self.handled = 0
        self._script = list(script)

    async def batches(
        self, state: ListenerState | None = None
    ) -> AsyncGenerator[Sequence[SchemaEvent], None]:
        yield []
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, Exception):
                raise step
            yield step
            self.handled += 1
        await asyncio.Event().wait()


async def test_each_integration_gets_each_event_of_a_bus(registry: Registry) -> None:
    bus = InMemoryEventBus()
    work, everywhere = Recording(registry, "w"), Recording(registry, "b", delivery="broadcast")
    async with bus, EventListener(registry, [work, everywhere], buses=[bus]):
        for e in events(20):
            await bus.publish(e)
        await bus.flush()
    assert len(work.seen) == len(everywhere.seen) == 20


async def test_the_cache_follows_before_any_handler_hears(registry: Registry) -> None:
    registry.register("ns.user", {"type": "object"})
    assert registry.get("ns.user").version == 1
    seen: list[object] = []

    class Looks(Recording):
        async def handle_schema_event(self, event: SchemaEvent) -> None:
            seen.append(registry.peek(event.reference))

    bus = InMemoryEventBus()
    async with bus, EventListener(registry, [Looks(registry)], buses=[bus]):
        await bus.publish(SchemaEvent.deleted(1, "ns", "user", 1))
        await bus.flush()
    assert seen == [None]


async def test_the_caches_of_the_integrations_own_clients_follow_too(registry: Registry) -> None:
    other = connect("memory://")
    other.register("ns.user", {"type": "object"})
    other.get("ns.user@1")
    bus = InMemoryEventBus()
    async with bus, EventListener(registry, [Recording(other)], buses=[bus]):
        await bus.publish(SchemaEvent.deleted(1, "ns", "user", 1))
        await bus.flush()
    assert other.peek("ns.user@1") is None
    other.close()


async def test_two_listeners_of_a_group_handle_each_event_once_and_both_drop_their_caches() -> None:
    bus = InMemoryEventBus()
    registries = [connect("memory://"), connect("memory://")]
    for registry in registries:
        registry.register("ns.s0", {"type": "object"})
        registry.get("ns.s0@1")
    workers = [Recording(registry) for registry in registries]
    async with bus:
        listeners = [
            EventListener(registry, [worker], buses=[bus])
            for registry, worker in zip(registries, workers, strict=True)
        ]
        async with listeners[0], listeners[1]:
            sent = [*events(40, subjects=20), SchemaEvent.deleted(1, "ns", "s0", 1)]
            for e in sent:
                await bus.publish(e)
            await bus.flush()
    handled = [e.event_id for worker in workers for e in worker.seen]
    assert sorted(handled) == sorted(e.event_id for e in sent)
    assert all(worker.seen for worker in workers)
    assert [registry.peek("ns.s0@1") for registry in registries] == [None, None]
    for registry in registries:
        registry.close()


async def test_a_repeated_event_is_recognised_whichever_way_it_comes(registry: Registry) -> None:
    change = event()
    recording = Recording(registry)
    source = Scripted([change], [change])
    async with InMemoryEventBus() as first, InMemoryEventBus() as second:
        listener = EventListener(registry, [recording], buses=[first, second], sources=[source])
        async with listener:
            await asyncio.gather(
                first.publish(change), second.publish(change), listener.receive([change, change])
            )
            await first.flush()
            await second.flush()
            await until(lambda: source.handled == 2)
            health = await listener.health()
    assert recording.seen == [change]
    assert health.integrations["recording"].repeated == 5


async def test_a_copy_that_arrives_while_the_first_is_handled_waits_for_its_outcome(
    registry: Registry,
) -> None:
    class Slow(Recording):
        async def handle_schema_event(self, event: SchemaEvent) -> None:
            await asyncio.sleep(0.02)
            await super().handle_schema_event(event)

    slow = Slow(registry)
    async with EventListener(registry, [slow]) as listener:
        await asyncio.gather(*(listener.receive([event()]) for _ in range(5)))
    assert len(slow.seen) == 1


async def test_an_event_counts_as_handled_only_after_it_succeeded(registry: Registry) -> None:
    failing = Recording(registry, failures=3)
    async with EventListener(registry, [failing], delivery=IMPATIENT) as listener:
        await listener.receive([event()])
        assert failing.seen == []
        await listener.receive([event()])
        assert len(failing.seen) == 1


async def test_a_deletion_makes_way_for_the_same_content_to_come_again(registry: Registry) -> None:
    recording = Recording(registry)
    registered = SchemaEvent.registered(1, "ns", "user", 1, metadata={"fingerprint": "f"})
    deleted = SchemaEvent.deleted(1, "ns", "user", 1)
    other = event("ns.other")
    async with EventListener(registry, [recording]) as listener:
        for e in (other, registered, registered, deleted, deleted, registered, deleted, other):
            await listener.receive([e])
    kinds = [str(e.event_type) for e in recording.seen if e.subject == "ns.user"]
    assert kinds == ["registered", "deleted", "registered", "deleted"]
    assert len(recording.seen) == 5, "the other subject is not forgotten"


async def test_events_of_a_subject_stay_in_order_across_sources_and_buses(
    registry: Registry,
) -> None:
    busy: set[str] = set()

    class OneAtATime(Recording):
        async def handle_schema_event(self, event: SchemaEvent) -> None:
            assert event.subject not in busy
            busy.add(event.subject)
            await asyncio.sleep(0.001)
            busy.discard(event.subject)
            await super().handle_schema_event(event)

    recording = OneAtATime(registry)
    sent = events(50)
    source = Scripted(sent[:25], sent[25:])
    bus = InMemoryEventBus()
    listener = EventListener(registry, [recording], buses=[bus], sources=[source])
    async with bus, listener:
        for e in sent:
            await bus.publish(e)
        await bus.flush()
        await until(lambda: source.handled == 2)
        assert not listener.dead_letters
    for subject in {e.subject for e in sent}:
        versions = [int(e.version) for e in recording.seen if e.subject == subject]
        assert versions == sorted(versions)
    assert len(recording.seen) == 50


async def test_one_failing_integration_stops_no_other_and_its_events_are_dead_lettered(
    registry: Registry,
) -> None:
    failing = Recording(registry, "failing", failures=99)
    healthy = Recording(registry, "healthy")
    loud = Recording(registry, "loud", delivery="broadcast", failures=99)
    async with InMemoryEventBus() as bus:
        listener = EventListener(
            registry, [failing, healthy, loud], buses=[bus], delivery=IMPATIENT
        )
        async with listener:
            await bus.publish(event())
            await bus.flush()
            health = await listener.health()
        letters = sorted((d.group or "", d.reason) for d in bus.dead_letters)
    assert len(healthy.seen) == 1
    assert letters == [
        ("", "loud: ValueError: not now"),
        ("llm-integrations.failing", "ValueError: not now"),
    ]
    assert health.integrations["failing"].failed == 1


async def test_what_was_handled_is_known_after_a_restart(
    registry: Registry, tmp_path: Path
) -> None:
    recording = Recording(registry)
    sent = [*events(10), SchemaEvent.deleted(1, "ns", "s0", 1)]
    async with EventListener(registry, [recording], state=tmp_path / "l.db") as listener:
        await listener.receive(sent)
    async with EventListener(registry, [recording], state=tmp_path / "l.db") as listener:
        await listener.receive(sent[1:])
        assert len(recording.seen) == 11
        await listener.receive(sent[:1])
        assert len(recording.seen) == 12, "its deletion made way for it"
    assert (tmp_path / "l.db").stat().st_mode & 0o077 == 0


async def test_memory_is_bounded_and_the_oldest_versions_go_first(registry: Registry) -> None:
    recording = Recording(registry)
    async with EventListener(registry, [recording], remember=10) as listener:
        await listener.receive(events(15, subjects=1))
        await listener.receive(events(15, subjects=1)[5:])
        assert len(recording.seen) == 15
        await listener.receive(events(15, subjects=1)[:5])
        assert len(recording.seen) == 20


async def test_dead_letters_of_sources_are_kept_and_can_be_replayed(
    registry: Registry, tmp_path: Path
) -> None:
    failing = Recording(registry, failures=3)
    state = ListenerState(tmp_path / "l.db")
    source = Scripted([event(version=1)], [event(version=2)])
    listener = EventListener(registry, [failing], sources=[source], state=state, delivery=IMPATIENT)
    async with listener:
        await until(lambda: source.handled == 2)
        assert failing.versions == ["ns.user@2"], "poison holds nothing up"
        assert [letter.reason for letter in listener.dead_letters] == ["ValueError: not now"]
        [stored] = state.dead_letters()
        assert (stored.integration, stored.transport) == ("recording", "scripted")
        assert stored.event.version == "1"
        assert await listener.redeliver() == 1
        assert state.dead_letters() == []
        assert failing.versions == ["ns.user@2", "ns.user@1"]
    state.close()


async def test_an_effect_in_the_state_is_committed_with_its_record_or_not_at_all(
    tmp_path: Path,
) -> None:
    state = ListenerState(tmp_path / "l.db")
    with sqlite3.connect(tmp_path / "l.db") as connection:
        connection.execute("CREATE TABLE effects (subject TEXT)")
    connection.close()

    def effect(fails: bool = False) -> bool:
        with state.once("mine", event()) as connection:
            if connection is None:
                return False
            connection.execute("INSERT INTO effects VALUES ('x')")
            if fails:
                raise ValueError
            return True

    with pytest.raises(ValueError):
        effect(fails=True)
    assert [effect(), effect()] == [True, False]
    with sqlite3.connect(tmp_path / "l.db") as connection:
        assert connection.execute("SELECT count(*) FROM effects").fetchone() == (1,)
    connection.close()


async def test_a_state_that_cannot_be_opened_is_an_event_error(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "l.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(EventError, match=r"l\.db"):
        await EventListener(registry, [Recording(registry)], state=tmp_path / "l.db").start()


async def test_a_source_that_fails_is_followed_again_and_latest_becomes_stale(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale: list[bool] = []
    monkeypatch.setattr(registry, "mark_latest_stale", lambda: stale.append(True))
    recording = Recording(registry)
    source = Scripted([event(version=1)], RegistryUnavailable("down"), [event(version=2)])
    async with EventListener(registry, [recording], sources=[source]) as listener:
        await until(lambda: len(recording.seen) == 2)
        assert (await listener.health()).ok
    assert stale


async def test_a_source_that_stays_down_shows_in_the_health(registry: Registry) -> None:
    class Down(Scripted):
        async def batches(
            self, state: ListenerState | None = None
        ) -> AsyncGenerator[Sequence[SchemaEvent], None]:
            raise RegistryUnavailable("down")
            yield []

    async with EventListener(registry, sources=[Down(name="poll")]) as listener:
        health = await listener.health()
    assert not health
    assert health.inputs == {"poll": "down"}


class Flaky(InMemoryEventBus):
    """A bus whose broker is not there at first."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def subscribe_batches(
        self, handler: BatchHandler, *, group: str | None = None, on_gap: OnGap | None = None
    ) -> Subscription:
        if self.failures:
            self.failures -= 1
            raise EventError("no broker there")
        return await super().subscribe_batches(handler, group=group, on_gap=on_gap)


async def test_a_listener_starts_without_its_broker_and_subscribes_when_it_comes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale: list[bool] = []
    monkeypatch.setattr(registry, "mark_latest_stale", lambda: stale.append(True))
    recording = Recording(registry)
    async with Flaky(failures=3) as bus, EventListener(registry, [recording], buses=[bus]) as it:
        health = await it.health()
        assert not health
        assert "no broker there" in health.inputs.values()
        await until(lambda: len(bus._members) == 2)
        assert (await it.health()).ok
        await bus.publish(event())
        await bus.flush()
        assert len(recording.seen) == 1
    assert stale, "what was published before could not be heard"


def test_a_program_without_an_event_loop_listens_in_the_background(registry: Registry) -> None:
    bus = InMemoryEventBus()
    recording = Recording(registry)
    heard = threading.Event()

    class Tells(Recording):
        async def handle_schema_event(self, event: SchemaEvent) -> None:
            heard.set()

    listener = EventListener(registry, [recording, Tells(registry, "tells")], buses=[bus])
    with listener.run_in_background() as running:
        asyncio.run(bus.publish(event()))
        assert heard.wait(5)
        asyncio.run(listener.receive([event(version=2)]))
        assert running.health().ok
        assert len(recording.seen) == 2
    assert not listener.running
    running.stop()
    with pytest.raises(EventError, match="stopped"):
        running.health()
    with listener.run_in_background():  # and again, on another loop
        asyncio.run(listener.receive([event(version=3)]))
    assert len(recording.seen) == 3


def test_an_error_at_the_start_reaches_who_started_it_in_the_background(
    registry: Registry, tmp_path: Path
) -> None:
    listener = EventListener(registry, [Recording(registry)], state=tmp_path / "no" / "folder.db")
    with pytest.raises(EventError, match=r"folder\.db"):
        listener.run_in_background()


async def test_a_listener_closes_the_buses_that_it_made(registry: Registry) -> None:
    mine = InMemoryEventBus()
    listener = EventListener(registry, buses=["memory://", mine])
    async with listener:
        pass
    assert [bool(await bus.health_check()) for bus in listener.buses] == [False, True]
    assert isinstance(listener.buses[0], EventBus)
    await mine.close()


async def test_a_second_start_and_receiving_when_stopped_are_errors(registry: Registry) -> None:
    listener = EventListener(registry)
    with pytest.raises(EventError, match="does not run"):
        await listener.receive([event()])
    async with listener:
        with pytest.raises(EventError, match="already"):
            await listener.start()
    await listener.stop()


def test_names_must_be_unique(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="recording"):
        EventListener(registry, [Recording(registry), Recording(registry)])
    with pytest.raises(ConfigurationError, match="scripted"):
        EventListener(registry, sources=[Scripted(), Scripted()])


def test_a_source_is_not_taken_for_a_bus(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match=r"Scripted is no bus; .*sources="):
        EventListener(registry, buses=[Scripted()])  # type: ignore[list-item]
