"""Threads, tasks and cancelled tasks at once, on one client whose registry comes and goes."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from llm_integrations.core.config import BreakerOptions, RetryOptions
from llm_integrations.core.errors import RegistryError, RegistryUnavailable, SchemaNotFound
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry import Registry
from tests.support.clients import OBJECT, Connect, connected, server
from tests.support.patience import until
from tests.support.registry_server import RegistryServer, answering

__all__ = ["connected", "server"]

SUBJECTS = [f"s{n}" for n in range(12)]
SECONDS = 1.2


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads change places 25 times as often as they normally do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-4)
    yield
    sys.setswitchinterval(before)


class Hammer:
    """Runs until told to stop; keeps what was seen that nobody should see."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.stopped = threading.Event()
        self.wrong: list[BaseException] = []
        self.answers = 0

    def thread(self) -> None:
        dice = random.Random()
        while not self.stopped.is_set():
            self.once(dice)

    def once(self, dice: random.Random) -> None:
        subject = dice.choice(SUBJECTS)
        try:
            match dice.randrange(12):
                case 0:
                    self.registry.invalidate(subject)
                case 1:
                    self.registry.apply_event(SchemaEvent.updated(1, "", subject, 2))
                case 2:
                    self.registry.apply_event(SchemaEvent.deleted(1, "", subject, 1))
                case 3:
                    self.registry.mark_latest_stale()
                case 4:
                    assert self.registry.validator(subject).is_valid({})
                case _:
                    assert self.registry.get(subject).subject == subject
            self.answers += 1
        except (RegistryUnavailable, SchemaNotFound):
            return
        except BaseException as error:  # noqa: BLE001 - anything else is what the test looks for
            self.wrong.append(error)

    async def task(self, cancelling: bool) -> None:
        dice = random.Random()
        while not self.stopped.is_set():
            call = asyncio.ensure_future(self.registry.aio.get(dice.choice(SUBJECTS)))
            if cancelling:
                await asyncio.sleep(dice.random() * 0.002)
                call.cancel()
            [end] = await asyncio.gather(call, return_exceptions=True)
            if isinstance(end, BaseException) and not isinstance(
                end, RegistryUnavailable | asyncio.CancelledError | SchemaNotFound
            ):
                self.wrong.append(end)
            await asyncio.sleep(0)

    def loop(self) -> None:
        async def main() -> None:
            await asyncio.gather(*(self.task(cancelling=n % 2 == 0) for n in range(20)))

        asyncio.run(main())


def test_under_load_and_outages_every_call_ends_well(
    server: RegistryServer, connected: Connect
) -> None:
    for subject in SUBJECTS:
        server.add(subject, OBJECT)
    registry = connected(
        cache={"maxsize": 8, "ttl": 0.01, "refresh_pause": 0.01, "negative_ttl": 0.01},
        breaker=BreakerOptions(failures=3, reset_timeout=0.05),
        retry=RetryOptions(attempts=2, base=0.001, cap=0.002, deadline=1.0),
    )
    hammer = Hammer(registry)
    threads = [threading.Thread(target=hammer.thread) for _ in range(4)]
    threads += [threading.Thread(target=hammer.loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        due = time.monotonic() + SECONDS
        while time.monotonic() < due:
            time.sleep(0.1)
            server.fault = answering(503, {})
            time.sleep(0.05)
            server.fault = None
    finally:
        hammer.stopped.set()
        for thread in threads:
            thread.join(60)
    assert hammer.wrong == []
    assert hammer.answers > 0
    assert not any(thread.is_alive() for thread in threads), "nobody waits for ever"
    service = registry._service
    until(lambda: not service.requests._running)
    assert not service.requests._joinable
    assert not service._waiting
    assert len(service.cache) <= 8
    time.sleep(0.1)
    assert registry.get(SUBJECTS[0]).subject == SUBJECTS[0], "and it works as before"


def test_a_cold_key_is_asked_for_once_per_round_by_threads_and_tasks_together(
    server: RegistryServer, connected: Connect
) -> None:
    server.add("s", OBJECT)
    registry = connected(timeout=5.0, retry=RetryOptions(deadline=10.0))

    def round_of_callers() -> None:
        together = threading.Barrier(9)

        def thread() -> None:
            together.wait()
            registry.get("s")

        async def tasks() -> None:
            calls = [asyncio.ensure_future(registry.aio.get("s")) for _ in range(20)]
            await asyncio.sleep(0)
            for call in calls[::3]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

        def loop() -> None:
            together.wait()
            asyncio.run(tasks())

        threads = [threading.Thread(target=thread) for _ in range(6)]
        threads += [threading.Thread(target=loop) for _ in range(3)]
        for started in threads:
            started.start()
        for started in threads:
            started.join()

    for number in range(1, 16):
        round_of_callers()
        assert len(server.requests) == number
        registry.apply_event(SchemaEvent.deleted(1, "", "s", 1))


def test_closing_under_load_leaves_nobody_waiting(
    server: RegistryServer, connected: Connect
) -> None:
    for subject in SUBJECTS:
        server.add(subject, OBJECT)
    registry = connected(cache={"ttl": 0.0})
    ends: list[BaseException] = []

    def until_closed() -> None:
        dice = random.Random()
        try:
            while True:
                registry.validator(dice.choice(SUBJECTS))
        except RegistryError as error:
            ends.append(error)

    threads = [threading.Thread(target=until_closed) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    registry.close()
    for thread in threads:
        thread.join(60)
    assert len(ends) == 8
    assert {str(end) for end in ends} == {"this registry client is closed"}
