"""From a registry to integrations by webhook: the receiver is a bus like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_integrations.core.events import (
    EventListener,
    FileWatchSource,
    InMemoryEventBus,
    SchemaEvent,
)
from llm_integrations.core.model.changes import content_event
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.webhooks import WebhookConfig, WebhookDispatcher, WebhookReceiver
from tests.support.events import Recording, events, until
from tests.support.webhooks import SECRET, served


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as registry:
        yield registry


@pytest.fixture
def receiver(tmp_path: Path) -> WebhookReceiver:
    return WebhookReceiver(SECRET, tmp_path / "inbox.db", poll=0.02)


@asynccontextmanager
async def webhooks_to(receiver: WebhookReceiver, folder: Path) -> AsyncIterator[WebhookDispatcher]:
    with served(receiver) as port:
        config = WebhookConfig(f"http://127.0.0.1:{port}/", secret=SECRET)
        async with WebhookDispatcher([config], folder / "o.db", allow_private=True) as dispatcher:
            yield dispatcher


async def test_a_registration_reaches_integrations_by_webhook_and_drops_the_cache(
    registry: Registry, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    work, everywhere = Recording(registry, "w"), Recording(registry, "b", delivery="broadcast")
    async with (
        webhooks_to(receiver, tmp_path) as dispatcher,
        EventListener(registry, [work, everywhere], buses=[receiver]),
    ):
        with connect("memory://") as elsewhere:
            registered = elsewhere.register("user-profile", {"type": "object"})
        await dispatcher.publish(content_event("memory://", registered))
        registry.register("gone", {"type": "object"})
        registry.get("gone@1")
        await dispatcher.publish(SchemaEvent.deleted(1, "", "gone", 1))
        await until(lambda: len(work.seen) == len(everywhere.seen) == 2)
        assert {e.subject for e in work.seen} == {"user-profile", "gone"}
        assert registry.peek("gone@1") is None


async def test_a_change_heard_by_bus_and_webhook_at_once_has_one_effect(
    registry: Registry, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    bus, recording = InMemoryEventBus(), Recording(registry)
    sent = events(50)
    async with (
        bus,
        webhooks_to(receiver, tmp_path) as dispatcher,
        EventListener(registry, [recording], buses=[bus, receiver]),
    ):
        for one in sent:
            await asyncio.gather(bus.publish(one), dispatcher.dispatch(one))
        await dispatcher.flush(60)
        await until(lambda: len(recording.seen) >= 50)
        await asyncio.sleep(0.1)
    assert sorted(e.event_id for e in recording.seen) == sorted(e.event_id for e in sent)


async def test_what_arrives_while_the_listener_is_away_is_handled_when_it_is_back(
    registry: Registry, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    state, recording = tmp_path / "state.db", Recording(registry)
    sent = events(30)
    async with webhooks_to(receiver, tmp_path) as dispatcher:
        for part in (sent[:10], sent[10:20], sent[20:]):
            for one in part:
                await dispatcher.dispatch(one)
            await dispatcher.flush(60)
            seen = len(recording.seen)
            async with EventListener(registry, [recording], buses=[receiver], state=state):
                await until(lambda: len(recording.seen) >= seen + 10)  # noqa: B023 - in this turn
    assert sorted(e.event_id for e in recording.seen) == sorted(e.event_id for e in sent)


def test_a_program_without_an_event_loop_hears_webhooks_too(
    registry: Registry, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    recording = Recording(registry)
    with served(receiver) as port:
        config = WebhookConfig(f"http://127.0.0.1:{port}/", secret=SECRET)
        with (
            EventListener(registry, [recording], buses=[receiver]).run_in_background(),
            WebhookDispatcher([config], tmp_path / "o.db", allow_private=True).sync as webhooks,
        ):
            webhooks.dispatch(events(1)[0])
            webhooks.flush(60)
            asyncio.run(until(lambda: recording.seen))


async def test_a_change_heard_by_file_watch_bus_and_webhook_at_once_has_one_effect(
    receiver: WebhookReceiver, tmp_path: Path
) -> None:
    folder, bus = tmp_path / "schemas", InMemoryEventBus()
    folder.mkdir()
    async with webhooks_to(receiver, tmp_path) as dispatcher:

        class Both:
            async def publish(self, event: SchemaEvent) -> None:
                await bus.publish(event)
                await dispatcher.publish(event)

        with connect(folder, bus=Both()) as registry:
            recording, watched = Recording(registry), FileWatchSource(folder)
            ways = [bus, receiver]
            async with bus, EventListener(registry, [recording], buses=ways, sources=[watched]):
                for number in range(5):
                    body = {"type": "object", "title": f"version {number}"}
                    await registry.aio.register("user-profile", body)
                await dispatcher.flush(60)
                await until(lambda: len(recording.seen) >= 5)
                await asyncio.sleep(1.0)  # the slowest way, the watcher, has told by then
    assert [event.version for event in recording.seen] == ["1", "2", "3", "4", "5"]
