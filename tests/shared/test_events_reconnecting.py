"""A subscription ends when it is cancelled, whatever its client makes of that."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from llm_integrations.core.events.brokers import reconnecting
from llm_integrations.core.events.brokers.reconnecting import ReconnectingSubscription


class Swallowing(ReconnectingSubscription):
    """By a client that keeps cancellations to itself, as aio-pika does while it closes."""

    def __init__(self, swallows: int) -> None:
        super().__init__("swallowing", None, None)
        self.swallows = swallows
        self.swallowed = 0
        self.dropped: list[object] = []

    async def _open(self) -> object:
        return object()

    async def _consume(self, connection: object) -> None:
        while self.swallowed < self.swallows:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            self.swallowed += 1
        await asyncio.Event().wait()

    async def _drop(self, connection: object) -> None:
        self.dropped.append(connection)


@pytest.mark.parametrize("swallows", [0, 1, 3])
async def test_a_cancellation_that_the_client_swallows_is_repeated(
    swallows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnecting, "_LET_GO_SECONDS", 0.01)
    subscription = Swallowing(swallows)
    await subscription.start()
    await asyncio.sleep(0)
    others = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    async with asyncio.timeout(60):
        await subscription.cancel()
    assert others
    assert all(task.cancelled() for task in others)
    assert subscription.swallowed == swallows
    assert subscription.ended
    assert not subscription.connected
    assert len(subscription.dropped) == 1


async def test_a_subscription_that_has_not_begun_lets_its_connection_go() -> None:
    subscription = Swallowing(0)
    await subscription.start()
    await subscription.cancel()
    assert len(subscription.dropped) == 1
    await subscription.cancel()
    assert len(subscription.dropped) == 1
