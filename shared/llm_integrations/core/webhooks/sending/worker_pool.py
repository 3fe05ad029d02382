"""All lanes of one dispatcher, started together and ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import WebhookError
from llm_integrations.core.resilience.breaker import Breaker
from llm_integrations.core.webhooks.config import WebhookConfig
from llm_integrations.core.webhooks.sending.background import DELIVERIES
from llm_integrations.core.webhooks.sending.connection import Connection, GuardedBackend, Resolver
from llm_integrations.core.webhooks.sending.endpoint_worker import Lane
from llm_integrations.core.webhooks.sending.health import DispatcherHealth, EndpointHealth
from llm_integrations.core.webhooks.sending.outbox import Outbox, QueueState
from llm_integrations.core.webhooks.urls import parse_url

__all__ = ["Crew", "CrewOptions"]


@dataclass(frozen=True)
class CrewOptions:
    """How lanes work; ``poll`` is in seconds."""

    allow_private: bool
    breaker: BreakerOptions
    poll: float
    resolver: Resolver


class Crew:
    """Delivers in the background from the moment it is made. Thread-safe."""

    def __init__(
        self, configs: Sequence[WebhookConfig], outbox: Outbox, options: CrewOptions
    ) -> None:
        self._outbox = outbox
        self._options = options
        self._progress = asyncio.Event()
        self.lanes = tuple(self._lane(config) for config in configs)
        self._work = DELIVERIES.run(self._run())

    def wake(self) -> None:
        """Something was added to the outbox."""
        for lane in self.lanes:
            lane.wake()

    def settle(self, timeout: float | None) -> Future[None]:
        """Done when what the outbox holds now was delivered or given up."""
        return DELIVERIES.run(self._settle(timeout))

    def health(self) -> Future[DispatcherHealth]:
        return DELIVERIES.run(self._health())

    def stop(self) -> None:
        """End each lane after its request under way. Blocks, up to the longest timeout."""
        DELIVERIES.run(self._each_stops())
        with suppress(CancelledError):  # the process is ending, and the loop with it
            self._work.result()

    async def _run(self) -> None:
        await asyncio.gather(*(lane.run() for lane in self.lanes))

    async def _each_stops(self) -> None:
        for lane in self.lanes:
            lane.stop()

    async def _settle(self, timeout: float | None) -> None:  # noqa: ASYNC109 - told as our error
        keys = [lane.config.key for lane in self.lanes]
        upto = await asyncio.wrap_future(self._outbox.last())
        try:
            async with asyncio.timeout(timeout):
                while await asyncio.wrap_future(self._outbox.count(keys, upto)):
                    await self._step()
        except TimeoutError:
            left = await asyncio.wrap_future(self._outbox.count(keys, upto))
            raise WebhookError(f"{left} deliveries are still pending after {timeout} s") from None

    async def _health(self) -> DispatcherHealth:
        known = await asyncio.wrap_future(self._outbox.state())
        endpoints = tuple(
            _health_of(lane, known.pop(lane.config.key, QueueState())) for lane in self.lanes
        )
        return DispatcherHealth(endpoints, known)

    async def _step(self) -> None:
        """Wait until a lane got on, or another process may have."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.poll):
                await self._progress.wait()

    def _tell(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

    def _lane(self, config: WebhookConfig) -> Lane:
        backend = GuardedBackend(
            allow_private=self._options.allow_private,
            plain=parse_url(config.url).scheme == "http",
            resolver=self._options.resolver,
        )
        return Lane(
            config,
            self._outbox,
            Connection(config, backend),
            Breaker(config.endpoint, self._options.breaker),
            poll=self._options.poll,
            on_progress=self._tell,
        )


def _health_of(lane: Lane, queue: QueueState) -> EndpointHealth:
    return EndpointHealth(
        lane.config.endpoint,
        lane.breaker.state,
        lane.lease.held,
        queue.pending,
        queue.oldest,
        queue.dead,
    )
