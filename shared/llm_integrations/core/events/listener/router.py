"""Routing an event within one process: to the caches, then to integrations by ``delivery``."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from llm_integrations.core.events.delivery.dead_letter import DeadLetter
from llm_integrations.core.events.delivery.deliverer import BatchHandler
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.events.listener.cache_follower import CacheFollower
from llm_integrations.core.events.listener.health import IntegrationHealth
from llm_integrations.core.events.listener.integration_inbox import IntegrationInbox
from llm_integrations.core.model.event import SchemaEvent

if TYPE_CHECKING:
    from llm_integrations.core.events.state import ListenerState
    from llm_integrations.core.integration import LLMModuleIntegration
    from llm_integrations.core.registry import Registry

__all__ = ["Router"]

_DEAD_LETTERS_KEPT: Final = 1000


class Router:
    """Routes events to the caches and the integrations. Used on one event loop.

    Attributes:
        dead_letters: what integrations gave up of the sources' events, the newest thousand.
    """

    def __init__(
        self,
        registries: Iterable[Registry],
        integrations: Iterable[LLMModuleIntegration],
        *,
        delivery: DeliveryOptions,
        remember: int,
        state: ListenerState | None,
    ) -> None:
        self.dead_letters: deque[DeadLetter] = deque(maxlen=_DEAD_LETTERS_KEPT)
        self._cache = CacheFollower(registries, limit=remember)
        self._state = state
        self._inboxes = [
            IntegrationInbox(
                integration, self._cache, options=delivery, limit=remember, state=state
            )
            for integration in integrations
        ]

    @property
    def workers(self) -> list[IntegrationInbox]:
        """The integrations of which one process handles an event for all."""
        return [inbox for inbox in self._inboxes if inbox.delivery == "work"]

    async def load(self) -> None:
        """Load the ids that were handled before a restart."""
        for inbox in self._inboxes:
            await inbox.load()

    def mark_latest_stale(self) -> None:
        self._cache.mark_latest_stale()

    async def stop(self) -> None:
        await self._cache.stop()

    def health(self) -> dict[str, IntegrationHealth]:
        return {inbox.name: inbox.health() for inbox in self._inboxes}

    def broadcast(self, transport: str) -> BatchHandler:
        """The handler of broadcasts: caches and broadcast integrations of this process."""
        inboxes = [inbox for inbox in self._inboxes if inbox.delivery == "broadcast"]

        async def handle(events: Sequence[SchemaEvent]) -> Sequence[str | None]:
            answers = await self._deliver(inboxes, events, transport)
            return [_joined(inboxes, reasons) for reasons in zip(*answers, strict=True)] or [
                None for _ in events
            ]

        return handle

    def work(self, inbox: IntegrationInbox, transport: str) -> BatchHandler:
        """The handler of a group's work: one integration of this process."""

        async def handle(events: Sequence[SchemaEvent]) -> Sequence[str | None]:
            return (await self._deliver([inbox], events, transport))[0]

        return handle

    async def receive(self, events: Sequence[SchemaEvent], transport: str) -> None:
        """Handle events that came without a bus, whose dead letters are therefore kept here."""
        answers = await self._deliver(self._inboxes, events, transport)
        for inbox, reasons in zip(self._inboxes, answers, strict=True):
            for event, reason in zip(events, reasons, strict=True):
                if reason is not None:
                    await self._dead_letter(inbox.name, transport, event, reason)

    async def redeliver(self) -> int:
        """Deliver the kept dead letters once more; how many were handled."""
        if self._state is None:
            return 0
        named = {inbox.name: inbox for inbox in self._inboxes}
        handled = []
        for letter in await asyncio.to_thread(self._state.dead_letters):
            inbox = named.get(letter.integration)
            if inbox and await inbox.deliver([letter.event], letter.transport) == [None]:
                handled.append(letter.id)
        await asyncio.to_thread(self._state.discard_dead_letters, handled)
        return len(handled)

    async def _deliver(
        self, inboxes: Sequence[IntegrationInbox], events: Sequence[SchemaEvent], transport: str
    ) -> list[list[str | None]]:
        # Also for work that a broadcast brings too: the broadcast may come later, and no handler
        # must see the old copy.
        self._cache.apply(events)
        if not inboxes:
            await self._cache.caught_up(events)
        if len(inboxes) == 1:
            return [await inboxes[0].deliver(events, transport)]
        return await asyncio.gather(*(inbox.deliver(events, transport) for inbox in inboxes))

    async def _dead_letter(
        self, integration: str, transport: str, event: SchemaEvent, reason: str
    ) -> None:
        self.dead_letters.append(DeadLetter(event, reason, integration))
        if self._state is not None:
            await asyncio.to_thread(
                self._state.add_dead_letter, integration, transport, event, reason
            )


def _joined(inboxes: Sequence[IntegrationInbox], reasons: Sequence[str | None]) -> str | None:
    named = [f"{i.name}: {reason}" for i, reason in zip(inboxes, reasons, strict=True) if reason]
    return "; ".join(named) or None
