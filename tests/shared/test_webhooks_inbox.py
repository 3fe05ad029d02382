"""The inbox as a bus: groups and broadcasts go on where they were, whatever ended them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.errors import EventError
from llm_integrations.core.events import SchemaEvent
from llm_integrations.core.webhooks.receiving.inbox_bus import InboxBus
from tests.support.events import IMPATIENT, event, events, until


class Handler:
    def __init__(self) -> None:
        self.seen: list[SchemaEvent] = []
        self.poison = ""
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, sent: SchemaEvent) -> None:
        await self.gate.wait()
        if sent.event_id == self.poison:
            raise ValueError("indigestible")
        self.seen.append(sent)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
async def bus(path: Path) -> AsyncIterator[InboxBus]:
    async with inbox(path) as bus:
        yield bus


def inbox(path: Path, *, retention: float = 86_400.0) -> InboxBus:
    return InboxBus(path, poll=0.02, delivery=IMPATIENT, retention=retention)


async def test_every_handler_gets_every_event(bus: InboxBus) -> None:
    handlers = [Handler() for _ in range(4)]
    for handler, group in zip(handlers, (None, None, "a", "b"), strict=True):
        await bus.subscribe(handler, group=group)
    sent = events(30, subjects=1)
    for one in sent:
        await bus.publish(one)
    await until(lambda: all(len(handler.seen) == 30 for handler in handlers))
    assert all(handler.seen == sent for handler in handlers)


async def test_members_of_a_group_share_it_and_another_takes_over(path: Path) -> None:
    one, two = Handler(), Handler()
    async with inbox(path) as first, inbox(path) as second:
        subscription = await first.subscribe(one, group="g")
        await until(lambda: subscription.connected)
        await asyncio.sleep(0.05)
        await second.subscribe(two, group="g")
        await second.publish(event(version=1))
        await until(lambda: one.seen)
        await subscription.cancel()
        await first.publish(event(version=2))
        await until(lambda: two.seen)
        await asyncio.sleep(0.05)
    assert [e.version for e in one.seen] == ["1"]
    assert [e.version for e in two.seen] == ["2"]


async def test_a_broadcast_reaches_the_handlers_of_every_process(path: Path) -> None:
    one, two = Handler(), Handler()
    async with inbox(path) as first, inbox(path) as second:
        await first.subscribe(one)
        await second.subscribe(two)
        await asyncio.sleep(0.05)
        await first.publish(event())
        await until(lambda: one.seen and two.seen)


@pytest.mark.parametrize("group", [None, "work"])
async def test_what_was_not_handled_to_its_end_is_handled_after_a_restart(
    path: Path, group: str | None
) -> None:
    handler = Handler()
    async with inbox(path) as bus:
        await bus.subscribe(handler, group=group)
        await bus.publish(event(version=1))
        await until(lambda: handler.seen)
        await asyncio.sleep(0.05)
        handler.gate.clear()
        await bus.publish(event(version=2))
        await asyncio.sleep(0.05)
    handler.gate.set()
    async with inbox(path) as bus:
        await bus.publish(event(version=3))
        await bus.subscribe(handler, group=group)
        await until(lambda: len(handler.seen) == 3)
    assert [e.version for e in handler.seen] == ["1", "2", "3"]


async def test_a_slow_broadcast_handler_is_not_passed_over_after_a_restart(path: Path) -> None:
    quick, slow = Handler(), Handler()
    async with inbox(path) as bus:
        await bus.subscribe(quick)
        await bus.subscribe(slow)
        slow.gate.clear()
        await bus.publish(event())
        await until(lambda: quick.seen)
        await asyncio.sleep(0.05)
    slow.gate.set()
    async with inbox(path) as bus:
        await bus.subscribe(slow)
        await until(lambda: slow.seen)


async def test_a_new_group_begins_with_what_is_held(bus: InboxBus) -> None:
    for one in events(3):
        await bus.publish(one)
    handler = Handler()
    await bus.subscribe(handler, group="new")
    await until(lambda: len(handler.seen) == 3)


async def test_a_poison_event_is_set_aside_with_the_reason_and_the_next_one_handled(
    bus: InboxBus,
) -> None:
    good, bad = Handler(), Handler()
    sent = [event(version=number) for number in range(1, 4)]
    bad.poison = sent[1].event_id
    await bus.subscribe(good, group="good")
    await bus.subscribe(bad, group="bad")
    for one in sent:
        await bus.publish(one)
    await until(lambda: len(good.seen) == 3 and len(bad.seen) == 2)
    await until(lambda: bus._readers[1].position >= 2)
    [letter] = await bus.dead_letters()
    assert (letter.group, letter.event.reference) == ("bad", "ns.user@2")
    assert letter.reason == "ValueError: indigestible"

    bad.poison = ""
    assert await bus.redeliver([letter.id]) == 1
    await until(lambda: len(bad.seen) == 3)
    assert await bus.dead_letters() == []
    await asyncio.sleep(0.05)
    assert len(good.seen) == 3, "who had handled it is not asked again"


async def test_an_event_that_cannot_be_read_any_more_is_set_aside(
    bus: InboxBus, path: Path
) -> None:
    handler = Handler()
    await bus.publish(event(version=1))
    other = sqlite3.connect(path)
    with other:
        other.execute("UPDATE events SET body = ?", (b"{",))
    other.close()
    await bus.publish(event(version=2))
    await bus.subscribe(handler, group="g")
    await until(lambda: handler.seen)
    await until(lambda: bus._readers[0].position == 2)
    assert [f.reason for f in await bus.dead_letters()] == [
        "EventError: not JSON (JSONDecodeError)"
    ]
    assert [e.version for e in handler.seen] == ["2"]


async def test_events_and_ids_go_after_the_retention_once_they_were_handled(path: Path) -> None:
    handler = Handler()
    async with inbox(path, retention=0.1) as bus:
        await bus.subscribe(handler, group="g")
        await bus.publish(event(version=1))
        await until(lambda: handler.seen)
        await bus.publish(event(version=1))
        await asyncio.sleep(0.15)
        handler.gate.clear()
        await bus.publish(event(version=2))
        assert (await bus.health_check()).detail["held"] == 1
        await asyncio.sleep(0.15)
        await bus.publish(event(version=3))
        assert (await bus.health_check()).detail["held"] == 2, "what waits is kept"
        handler.gate.set()
        await until(lambda: len(handler.seen) == 3)


async def test_a_reader_that_is_gone_for_a_week_holds_up_nothing(path: Path) -> None:
    async with inbox(path, retention=0.05) as bus:
        await bus.subscribe(Handler(), group="gone")
        await asyncio.sleep(0.05)
    other = sqlite3.connect(path)
    with other:
        other.execute("UPDATE readers SET seen = seen - 8 * 86400")
    other.close()
    async with inbox(path, retention=0.05) as bus:
        await bus.publish(event(version=1))
        await asyncio.sleep(0.1)
        await bus.publish(event(version=2))
        assert (await bus.health_check()).detail["held"] == 1


async def test_health_says_what_waits_for_whom_and_never_raises(bus: InboxBus, path: Path) -> None:
    handler = Handler()
    handler.gate.clear()
    await bus.subscribe(handler, group="g")
    await bus.publish(event())
    health = await bus.health_check()
    assert health
    assert (health.transport, health.detail["waiting"]) == ("webhook", {"g": 1})
    await bus.close()
    assert not await bus.health_check()


async def test_handlers_are_counted_under_their_transport(bus: InboxBus) -> None:
    labels = {"transport": "webhook", "event_type": "deprecated"}
    handler = Handler()
    await bus.subscribe(handler)
    await bus.publish(SchemaEvent.deprecated(1, "", "x", 1))
    await until(lambda: handler.seen)
    await until(
        lambda: (
            REGISTRY.get_sample_value(
                "llm_integrations_events_delivery_duration_seconds_count", labels
            )
            == 1
        )
    )
    assert REGISTRY.get_sample_value("llm_integrations_events_published_total", labels) == 1


async def test_a_subscription_of_another_thread_is_woken_and_cancelled_from_here(
    bus: InboxBus,
) -> None:
    seen: list[SchemaEvent] = []
    subscribed, leave = threading.Event(), threading.Event()

    async def handle(sent: Sequence[SchemaEvent]) -> list[None]:
        seen.extend(sent)
        return [None] * len(sent)

    async def there() -> None:
        await bus.subscribe_batches(handle, group="thread")
        subscribed.set()
        await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=asyncio.run, args=(there(),))
    thread.start()
    await asyncio.to_thread(subscribed.wait)
    await bus.publish(event(version=1))
    await until(lambda: seen)
    await bus._readers[0].cancel()
    leave.set()
    await asyncio.to_thread(thread.join)
    await bus.publish(event(version=2))
    assert len(seen) == 1


async def test_a_loop_that_ended_gives_its_group_to_another(path: Path) -> None:
    handler = Handler()
    async with inbox(path) as bus:

        async def short_lived() -> None:
            await bus.subscribe(Handler(), group="g")
            await asyncio.sleep(0.05)

        await asyncio.to_thread(asyncio.run, short_lived())
        await bus.subscribe(handler, group="g")
        await bus.publish(event())
        await until(lambda: handler.seen)


async def test_a_closed_inbox_refuses_events_and_subscriptions(path: Path) -> None:
    bus = inbox(path)
    await bus.close()
    await bus.close()
    with pytest.raises(EventError):
        await bus.publish(event())
    with pytest.raises(EventError):
        await bus.subscribe(Handler())


async def test_a_group_needs_a_name(bus: InboxBus) -> None:
    with pytest.raises(EventError, match="name"):
        await bus.subscribe(Handler(), group="")


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error", [ValueError("half: \ud800"), Speechless(), ValueError("\0" * 999)]
)
async def test_whatever_a_handler_raises_its_event_is_set_aside_and_the_next_is_handled(
    bus: InboxBus, error: Exception
) -> None:
    seen: list[str] = []

    async def handler(sent: SchemaEvent) -> None:
        if sent.version == "1":
            raise error
        seen.append(sent.version)

    await bus.subscribe(handler, group="g")
    await bus.publish(event(version=1))
    await bus.publish(event(version=2))
    await until(lambda: seen)
    await until(lambda: bus._readers[0].position == 2)
    [letter] = await bus.dead_letters()
    assert letter.reason.startswith(type(error).__name__)
    assert letter.reason.encode()
