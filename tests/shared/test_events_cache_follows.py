"""In every process the cache follows before the handler is called, whatever brings the event."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from llm_integrations.core.events import EventListener, InMemoryEventBus, SchemaEvent
from llm_integrations.core.events.delivery.deliverer import shard_of
from llm_integrations.core.events.listener.cache_follower import CacheFollower
from llm_integrations.core.registry import Registry
from llm_integrations.core.registry.cache.event_follower import NOTHING_HELD
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.events import IMPATIENT, Recording, until
from tests.support.followers import SOURCES, followers
from tests.support.registry_server import Exchange, RegistryServer, answering, hanging

__all__ = ["connected", "server"]

ARRAY = {"type": "array"}


class Reading(Recording):
    """Remembers what ``latest`` was in its handler."""

    def __init__(self, registry: Registry, name: str = "reading", **options: Any) -> None:
        super().__init__(registry, name, **options)
        self.latest: list[str] = []

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        held = self.registry.peek(event.subject)
        found = await self.registry.aio.get(event.subject)
        self.latest.append(f"{found} of {event.version}{' from the cache' * (found is held)}")
        await super().handle_schema_event(event)


def updated(version: int, subject: str = "s") -> SchemaEvent:
    return SchemaEvent.updated(version, "", subject, version)


@pytest.mark.parametrize("source", SOURCES)
async def test_in_each_process_latest_is_the_events_version_in_its_handler(
    source: str, tmp_path: Path
) -> None:
    async with followers(source, 2, tmp_path) as some:
        for number in range(2, 7):
            heard = await some.register(number)
            assert [one.followed for one in heard] == [True, True]


async def test_each_integration_reads_what_a_second_client_registered(
    server: RegistryServer, connected: Connect
) -> None:
    ours, others, theirs = connected(), connected(), connected()
    theirs.register("s", OBJECT)
    integrations = [
        Reading(ours, "work"),
        Reading(ours, "everywhere", delivery="broadcast"),
        Reading(others, "of another client"),
    ]
    bus = InMemoryEventBus()
    ours.get("s")
    others.get("s")
    async with bus, EventListener(ours, integrations, buses=[bus]):
        for version in (2, 3):
            theirs.register("s", {"const": version})
            await bus.publish(updated(version))
            await bus.flush()
    for integration in integrations:
        assert integration.latest == ["s@2 of 2 from the cache", "s@3 of 3 from the cache"]


async def test_the_same_event_by_two_ways_waits_for_the_same_fetch(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=30.0)
    registry.get("s")
    server.add("s", ARRAY)
    reading = Reading(registry)
    server.hold()
    async with EventListener(registry, [reading]) as listener:
        ways = [asyncio.create_task(listener.receive([updated(2)])) for _ in range(3)]
        await until(lambda: len(server.requests) == 2)
        await asyncio.sleep(0.05)
        assert reading.latest == []
        server.let_go()
        await asyncio.gather(*ways)
    assert reading.latest == ["s@2 of 2 from the cache"]
    assert len(server.requests) == 2


async def test_a_subject_that_does_not_answer_holds_up_no_other(
    server: RegistryServer, connected: Connect
) -> None:
    slow = next(name for name in map("slow{}".format, count()) if shard_of(name) != shard_of("s"))
    registry = connected(timeout=30.0)
    for subject in (slow, "s"):
        server.add(subject, OBJECT)
        registry.get(subject)
    server.add("s", ARRAY)

    async def fault(exchange: Exchange) -> None:
        if f"/{slow}/" in exchange.path:
            await hanging(exchange)
        await exchange.reply(*server._answer(exchange))

    server.fault = fault
    reading = Reading(registry)
    async with EventListener(registry, [reading]) as listener:
        both = asyncio.create_task(listener.receive([updated(2, slow), updated(2)]))
        await until(lambda: reading.latest == ["s@2 of 2 from the cache"])
        assert not both.done()
        both.cancel()


async def test_during_an_outage_the_handler_is_called_with_the_copy_and_a_repetition_tries_again(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(cache={"refresh_pause": 0.0})
    registry.get("s")
    server.fault = answering(503, {})
    reading = Reading(registry, failures=3)
    async with EventListener(registry, [reading], delivery=IMPATIENT) as listener:
        await listener.receive([updated(2)])
        assert reading.latest == ["s@1 of 2 from the cache"] * 3
        server.fault = None
        server.add("s", ARRAY)
        server.requests.clear()
        await listener.receive([updated(2)])
        assert reading.latest[3:] == ["s@2 of 2 from the cache"]
        assert len(server.requests) == 1
        await listener.receive([updated(2)])
        assert len(server.requests) == 1, "it is known now"


async def test_a_deletion_leaves_the_version_before_in_force(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    server.add("s", ARRAY)
    registry = connected()
    registry.get("s")
    server.remove("s", 2)
    reading = Reading(registry)
    async with EventListener(registry, [reading]) as listener:
        await listener.receive([SchemaEvent.deleted(102, "", "s", 2)])
    assert reading.latest == ["s@1 of 2"]


async def test_a_backlog_asks_once_for_what_it_changed_often(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    registry.get("s")
    for number in range(2, 102):
        server.add("s", {"const": number})
    reading = Reading(registry)
    async with EventListener(registry, [reading]) as listener:
        await listener.receive([updated(number) for number in range(2, 102)])
    assert len(reading.latest) == 100
    assert server.count("latest") == 2


async def test_stopping_ends_a_fetch_that_does_not(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=30.0)
    registry.get("s")
    server.fault = hanging
    listener = EventListener(registry, [Reading(registry)])
    await listener.start()
    receiving = asyncio.create_task(listener.receive([updated(2)]))
    await until(lambda: len(server.requests) == 2)
    async with asyncio.timeout(60):
        await listener.stop()
        await receiving


async def test_a_client_that_was_closed_holds_up_nobody(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry, closed = connected(), connected()
    registry.get("s")
    closed.get("s")
    reading = Reading(registry)
    server.add("s", ARRAY)
    async with EventListener(closed, [reading]) as listener:
        closed.close()
        await listener.receive([updated(2)])
    assert reading.latest == ["s@2 of 2 from the cache"]


def test_events_of_subjects_that_a_cache_does_not_hold_are_told_apart_at_once(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected()
    registry.get("s")
    events = [updated(version, f"other-{version % 10}") for version in range(1, 201)]
    calls = 0

    def count_call(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_call)
    try:
        outcome = registry.follow(events)
    finally:
        sys.setprofile(None)
    assert outcome is NOTHING_HELD
    assert calls < 3 * len(events)
    assert len(server.requests) == 1


def test_a_repeated_deletion_drops_nothing_that_came_after_it(
    server: RegistryServer, connected: Connect
) -> None:
    registry = connected()
    deletion = SchemaEvent.deleted(1, "", "s", 1)
    caches = CacheFollower([registry], limit=10)
    caches.apply([deletion])
    server.add("s", OBJECT)
    held = registry.get("s")
    caches.apply([deletion])
    assert registry.peek("s") is held
