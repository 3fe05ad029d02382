"""Who of one process gets an event: first the caches, then the integrations by their delivery."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from llm_integrations.core.events.brokers.memory import DeadLetter
from llm_integrations.core.events.delivery.deliverer import BatchHandler
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.events.listener.cache_follower import CacheReaction
from llm_integrations.core.events.listener.integration_inbox import Intake, IntakeHealth
from llm_integrations.core.model.event import SchemaEvent

if TYPE_CHECKING:
    from llm_integrations.core.events.listener.state import ListenerState
    from llm_integrations.core.integration import LLMModuleIntegration
    from llm_integrations.core.registry import Registry

__all__ = ["Router"]

_DEAD_LETTERS_KEPT: Final = 1000


class Router:
    """Joins what arrives to the caches and the integrations. Used on one event loop.

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
        self._cache = CacheReaction(registries, limit=remember)
        self._state = state
        self._intakes = [
            Intake(integration, options=delivery, limit=remember, state=state)
            for integration in integrations
        ]

    @property
    def workers(self) -> list[Intake]:
        """The integrations of which one process handles an event for all."""
        return [intake for intake in self._intakes if intake.delivery == "work"]

    async def load(self) -> None:
        """Read what was handled before a restart."""
        for intake in self._intakes:
            await intake.load()

    def missed_something(self) -> None:
        self._cache.missed_something()

    def health(self) -> dict[str, IntakeHealth]:
        return {intake.name: intake.health() for intake in self._intakes}

    def broadcast(self, transport: str) -> BatchHandler:
        """What every process does with every event."""
        intakes = [intake for intake in self._intakes if intake.delivery == "broadcast"]

        async def handle(events: Sequence[SchemaEvent]) -> Sequence[str | None]:
            answers = await self._deliver(intakes, events, transport)
            return [_joined(intakes, reasons) for reasons in zip(*answers, strict=True)] or [
                None for _ in events
            ]

        return handle

    def work(self, intake: Intake, transport: str) -> BatchHandler:
        """What one process of a group does with an event."""

        async def handle(events: Sequence[SchemaEvent]) -> Sequence[str | None]:
            return (await self._deliver([intake], events, transport))[0]

        return handle

    async def receive(self, events: Sequence[SchemaEvent], transport: str) -> None:
        """Events that came without a bus: dead letters are kept here."""
        answers = await self._deliver(self._intakes, events, transport)
        for intake, reasons in zip(self._intakes, answers, strict=True):
            for event, reason in zip(events, reasons, strict=True):
                if reason is not None:
                    await self._dead_letter(intake.name, transport, event, reason)

    async def replay(self) -> int:
        """Deliver the kept dead letters once more; how many were handled."""
        if self._state is None:
            return 0
        named = {intake.name: intake for intake in self._intakes}
        handled = []
        for letter in await asyncio.to_thread(self._state.dead_letters):
            intake = named.get(letter.integration)
            if intake and await intake.deliver([letter.event], letter.transport) == [None]:
                handled.append(letter.id)
        await asyncio.to_thread(self._state.discard_dead_letters, handled)
        return len(handled)

    async def _deliver(
        self, intakes: Sequence[Intake], events: Sequence[SchemaEvent], transport: str
    ) -> list[list[str | None]]:
        # Even where a broadcast brings the event too: that may be a moment behind, and no handler
        # must see the old copy.
        self._cache.apply(events)
        if len(intakes) == 1:
            return [await intakes[0].deliver(events, transport)]
        return await asyncio.gather(*(intake.deliver(events, transport) for intake in intakes))

    async def _dead_letter(
        self, integration: str, transport: str, event: SchemaEvent, reason: str
    ) -> None:
        self.dead_letters.append(DeadLetter(event, reason, integration))
        if self._state is not None:
            await asyncio.to_thread(
                self._state.add_dead_letter, integration, transport, event, reason
            )


def _joined(intakes: Sequence[Intake], reasons: Sequence[str | None]) -> str | None:
    named = [f"{i.name}: {reason}" for i, reason in zip(intakes, reasons, strict=True) if reason]
    return "; ".join(named) or None
