"""The inbox of one integration: each event once, in order by subject, from all inputs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.events.delivery.deliverer import SHARDS, HandlerRunner, by_shard
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.events.listener.cache_follower import CacheFollower
from llm_integrations.core.events.listener.dedup_store import DedupStore
from llm_integrations.core.events.listener.health import IntegrationHealth
from llm_integrations.core.model.event import SchemaEvent

if TYPE_CHECKING:
    from llm_integrations.core.events.state import ListenerState
    from llm_integrations.core.integration import Delivery, LLMModuleIntegration

__all__ = ["IntegrationInbox"]


class IntegrationInbox:
    """Delivers events to one integration, each once the caches have followed it.

    The same event may come from several inputs at once.
    """

    def __init__(
        self,
        integration: LLMModuleIntegration,
        cache: CacheFollower,
        *,
        options: DeliveryOptions,
        limit: int,
        state: ListenerState | None,
    ) -> None:
        self.name = integration.name
        self.delivery: Delivery = integration.delivery
        self._cache = cache
        self._runner = HandlerRunner(
            integration.handle_schema_event, name=self.name, options=options
        )
        self._handled = DedupStore(self.name, limit=limit, state=state)
        self._locks: list[asyncio.Lock] = []
        self._succeeded = self._repeated = self._failed = 0

    async def load(self) -> None:
        """Bind to this event loop; load the ids that were handled before a restart."""
        # One lock for each shard: a copy of an event waits until the first one's outcome is known.
        self._locks = [asyncio.Lock() for _ in range(SHARDS)]
        await self._handled.load()

    def health(self) -> IntegrationHealth:
        return IntegrationHealth(
            self._succeeded, self._repeated, self._failed, self._runner.breaker
        )

    async def deliver(self, events: Sequence[SchemaEvent], transport: str) -> list[str | None]:
        """Handle new events; for each a reason where it was given up, else None."""
        arrived = time.perf_counter()
        done: list[SchemaEvent] = []

        async def handle(shard: int, some: Sequence[SchemaEvent]) -> list[str | None]:
            reasons: list[str | None] = []
            async with self._locks[shard]:
                for event in some:
                    if self._handled.knows(event):
                        self._repeated += 1
                        reasons.append(None)
                        continue
                    if self._cache.is_behind:
                        await self._cache.caught_up([event])
                    reason = await self._runner.run(event, arrived, transport)
                    if reason is None:
                        self._handled.add(event)
                        done.append(event)
                    reasons.append(reason)
            self._failed += sum(1 for reason in reasons if reason is not None)
            return reasons

        try:
            return await by_shard(events, handle)
        finally:
            self._succeeded += len(done)
            await self._handled.keep(done)
