"""The memory bus, and what every bus shares: retries, breaker, order by subject, dead letters."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import REGISTRY

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import ConfigurationError, EventError
from llm_integrations.core.events import (
    DeliveryOptions,
    InMemoryEventBus,
    SchemaEvent,
    connect_bus,
)
from llm_integrations.core.events.delivery import deliverer
from llm_integrations.core.resilience.backoff import backoff
from tests.support.clock import Clock, clock
from tests.support.events import IMPATIENT, event, events, until

__all__ = ["clock"]


class Recorder:
    """A handler that remembers, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.seen: list[SchemaEvent] = []
        self.calls = 0
        self._failures = failures

    async def __call__(self, event: SchemaEvent) -> None:
        self.calls += 1
        if self._failures:
            self._failures -= 1
            raise ValueError("not now")
        self.seen.append(event)


async def test_a_handler_gets_what_is_published_after_it_subscribed() -> None:
    async with connect_bus("memory://") as bus:
        assert isinstance(bus, InMemoryEventBus)
        await bus.publish(event(version=1))
        handler = Recorder()
        await bus.subscribe(handler)
        await bus.publish(event(version=2))
        await bus.flush()
        assert [e.version for e in handler.seen] == ["2"]


async def test_every_broadcast_handler_gets_every_event() -> None:
    async with InMemoryEventBus() as bus:
        first, second = Recorder(), Recorder()
        await bus.subscribe(first)
        await bus.subscribe(second)
        for e in events(20):
            await bus.publish(e)
        await bus.flush()
        assert len(first.seen) == len(second.seen) == 20


async def test_the_members_of_a_group_share_the_events_and_keep_each_subject_together() -> None:
    async with InMemoryEventBus() as bus:
        members = [Recorder(), Recorder()]
        for member in members:
            await bus.subscribe(member, group="work")
        sent = events(200, subjects=20)
        for e in sent:
            await bus.publish(e)
        await bus.flush()
        subjects = [{e.subject for e in member.seen} for member in members]
        assert all(subjects)
        assert not subjects[0] & subjects[1]
        assert sorted(e.event_id for m in members for e in m.seen) == sorted(
            e.event_id for e in sent
        )


async def test_a_member_that_leaves_hands_its_events_to_the_rest_of_its_group() -> None:
    async with InMemoryEventBus() as bus:
        stuck = asyncio.Event()

        async def never(_: SchemaEvent) -> None:
            await stuck.wait()

        leaving = await bus.subscribe(never, group="work")
        for e in events(10):
            await bus.publish(e)
        other = Recorder()
        await bus.subscribe(other, group="work")
        await leaving.cancel()
        await bus.flush()
        assert len(other.seen) == 10


async def test_plain_functions_are_handlers_too_and_block_nobody() -> None:
    async with InMemoryEventBus() as bus:
        threads: list[threading.Thread] = []
        go_on = threading.Event()

        def slow(_: SchemaEvent) -> None:
            threads.append(threading.current_thread())
            go_on.wait(60)

        quick = Recorder()
        await bus.subscribe(slow)
        await bus.subscribe(quick)
        await bus.publish(event())
        await until(lambda: quick.seen and threads)
        go_on.set()
        await bus.flush()
        assert threads[0] is not threading.current_thread()


async def test_a_failing_handler_is_tried_three_times_and_stops_no_other() -> None:
    async with InMemoryEventBus(delivery=IMPATIENT) as bus:
        failing, healthy = Recorder(failures=99), Recorder()
        await bus.subscribe(failing)
        await bus.subscribe(healthy)
        await bus.publish(event())
        await bus.flush()
        assert failing.calls == 3
        assert len(healthy.seen) == 1
        assert [(d.reason, d.group) for d in bus.dead_letters] == [("ValueError: not now", None)]


async def test_a_handler_that_recovers_within_its_tries_has_handled_the_event() -> None:
    async with InMemoryEventBus(delivery=IMPATIENT) as bus:
        handler = Recorder(failures=2)
        await bus.subscribe(handler)
        await bus.publish(event())
        await bus.flush()
        assert (handler.calls, len(handler.seen), len(bus.dead_letters)) == (3, 1, 0)


async def test_the_waits_between_tries_lie_between_base_and_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times: list[float] = []
    planned: list[float] = []

    def noted(*args: Any, **bounds: Any) -> float:
        planned.append(backoff(*args, **bounds))
        return planned[-1]

    monkeypatch.setattr(deliverer, "backoff", noted)

    async def failing(_: SchemaEvent) -> None:
        times.append(time.perf_counter())
        raise ValueError

    async with InMemoryEventBus(delivery=DeliveryOptions(base=0.05, cap=0.08)) as bus:
        await bus.subscribe(failing)
        await bus.publish(event())
        await bus.flush()
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(planned) == len(waits) == 2
    assert all(0.05 <= wait <= 0.08 for wait in planned)
    assert all(wait > 0.045 for wait in waits)


async def test_a_try_that_outlasts_the_timeout_has_failed() -> None:
    options = DeliveryOptions(attempts=1, timeout=0.01)
    async with InMemoryEventBus(delivery=options) as bus:

        async def endless(_: SchemaEvent) -> None:
            await asyncio.sleep(60)

        await bus.subscribe(endless)
        await bus.publish(event())
        await bus.flush()
        assert bus.dead_letters[0].reason.startswith("TimeoutError")


async def test_five_failures_open_the_breaker_and_events_wait_until_a_probe_succeeds(
    clock: Clock,
) -> None:
    options = DeliveryOptions(attempts=1, breaker=BreakerOptions(failures=5, reset_timeout=0.1))
    async with InMemoryEventBus(delivery=options) as bus:
        handler = Recorder(failures=5)
        await bus.subscribe(handler)
        for version in range(1, 9):  # one subject, so that they come one after the other
            await bus.publish(event(version=version))
        await until(lambda: handler.calls == 5)
        await asyncio.sleep(0.15)
        assert handler.calls == 5, "open: nothing is tried"
        assert not handler.seen
        clock.go_on(0.1)
        await bus.flush()
        assert [e.version for e in handler.seen] == ["6", "7", "8"], "none was dropped"
        assert len(bus.dead_letters) == 5


async def test_an_open_breaker_holds_up_its_own_handler_only() -> None:
    options = DeliveryOptions(attempts=1, breaker=BreakerOptions(failures=1, reset_timeout=30))
    async with InMemoryEventBus(delivery=options) as bus:
        failing, healthy = Recorder(failures=99), Recorder()
        await bus.subscribe(failing)
        await bus.subscribe(healthy)
        for e in events(10):
            await bus.publish(e)
        await until(lambda: len(healthy.seen) == 10)
        assert not failing.seen


async def test_a_subject_is_handled_in_order_while_other_subjects_go_on() -> None:
    running: set[str] = set()
    together = 0
    done: list[SchemaEvent] = []

    async def handler(e: SchemaEvent) -> None:
        nonlocal together
        assert e.subject not in running, "two of one subject at once"
        running.add(e.subject)
        together = max(together, len(running))
        await asyncio.sleep(0.001)
        running.discard(e.subject)
        done.append(e)

    async with InMemoryEventBus() as bus:
        await bus.subscribe(handler)
        for e in events(60, subjects=6):
            await bus.publish(e)
        await bus.flush()
    assert together > 1
    assert len(done) == 60
    for subject in {e.subject for e in done}:
        versions = [int(e.version) for e in done if e.subject == subject]
        assert versions == sorted(versions)


def test_publishing_from_other_threads_and_loops_reaches_the_subscribers_loop() -> None:
    bus = InMemoryEventBus()
    handler = Recorder()

    async def listen() -> None:
        await bus.subscribe(handler)
        publishers = [
            threading.Thread(target=lambda: asyncio.run(publish_fifty())) for _ in range(4)
        ]
        for publisher in publishers:
            publisher.start()
        await until(lambda: len(handler.seen) == 200)
        for publisher in publishers:
            await asyncio.to_thread(publisher.join)

    async def publish_fifty() -> None:
        for e in events(50):
            await bus.publish(e)
        await bus.flush()

    asyncio.run(listen())
    asyncio.run(bus.publish(event()))  # that loop is gone, and so is its subscription
    assert len(handler.seen) == 200


async def test_a_full_queue_is_an_error_to_the_publisher_and_never_a_lost_event() -> None:
    async with InMemoryEventBus(max_waiting=2) as bus:
        gate = asyncio.Event()
        seen: list[str] = []

        async def waits(e: SchemaEvent) -> None:
            await gate.wait()
            seen.append(e.version)

        await bus.subscribe(waits)
        accepted = []
        for version in range(1, 8):
            try:
                await bus.publish(event(version=version))
                accepted.append(str(version))
            except EventError:
                break
        assert 2 <= len(accepted) < 7
        gate.set()
        await bus.flush()
        assert seen == accepted


async def test_a_batch_handler_that_raises_loses_its_events_to_the_dead_letters() -> None:
    async with InMemoryEventBus() as bus:

        async def broken(batch: object) -> list[str | None]:
            raise RuntimeError("a bug")

        await bus.subscribe_batches(broken)
        await bus.publish(event(version=1))
        await bus.publish(event(version=2))
        await bus.flush()
        assert [d.reason for d in bus.dead_letters] == ["RuntimeError: a bug"] * 2


async def test_a_closed_bus_says_so() -> None:
    bus = InMemoryEventBus()
    await bus.subscribe(Recorder())
    assert await bus.health_check()
    await bus.close()
    await bus.close()
    health = await bus.health_check()
    assert not health
    with pytest.raises(EventError, match="closed"):
        await bus.publish(event())
    with pytest.raises(EventError, match="closed"):
        await bus.subscribe(Recorder())


async def test_publishing_and_handling_are_counted_by_transport_and_type() -> None:
    names = ("published_total", "delivery_duration_seconds_count", "delivery_failures_total")
    labels = {"transport": "memory", "event_type": "deprecated"}

    def counts() -> list[float]:
        samples = (f"llm_integrations_events_{name}" for name in names)
        return [REGISTRY.get_sample_value(name, labels) or 0.0 for name in samples]

    before = counts()
    async with InMemoryEventBus(delivery=IMPATIENT) as bus:
        await bus.subscribe(Recorder())
        await bus.subscribe(Recorder(failures=99))
        await bus.publish(SchemaEvent.deprecated(1, "", "user", 1))
        await bus.flush()
    assert [after - b for after, b in zip(counts(), before, strict=True)] == [1, 2, 1]


@pytest.mark.parametrize("url", ["nats://x", "", "file://x"])
def test_a_url_that_no_bus_speaks_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="memory://"):
        connect_bus(url)


def test_an_unknown_option_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="partitons"):
        connect_bus("memory://", partitons=3)
