"""A listener's inputs: subscriptions and sources, restarted whenever they fail."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

from llm_integrations.core.errors import EventError, LLMIntegrationsError
from llm_integrations.core.events.brokers.reconnecting import pause
from llm_integrations.core.events.bus import EventBus, OnGap, Subscription
from llm_integrations.core.events.delivery.deliverer import BatchHandler
from llm_integrations.core.events.sources.base import EventSource
from llm_integrations.core.events.state import ListenerState
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import get_logger

__all__ = ["BusInput", "Input", "SourceInput"]

log = get_logger(__name__)

_READY_SECONDS: Final = 15.0


class Input(ABC):
    """An input of a listener: a name, a task that keeps it going, and what is wrong with it."""

    def __init__(self, name: str, on_gap: OnGap) -> None:
        self.name = name
        self._on_gap = on_gap
        self._error: str | None = "not started"
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        return self._error

    @abstractmethod
    async def start(self) -> None:
        """Return once events come, or it is known that they do not yet."""

    async def stop(self) -> None:
        self._error = "stopped"
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


class BusInput(Input):
    """A subscription that is tried again until the broker is there."""

    def __init__(
        self, name: str, bus: EventBus, handler: BatchHandler, group: str | None, on_gap: OnGap
    ) -> None:
        super().__init__(name, on_gap)
        self._bus = bus
        self._handler = handler
        self._group = group
        self._subscription: Subscription | None = None

    @property
    def problem(self) -> str | None:
        if self._subscription is None:
            return self._error
        return None if self._subscription.connected else "disconnected"

    async def start(self) -> None:
        if not await self._subscribed():
            self._task = asyncio.create_task(self._keep_trying())

    async def stop(self) -> None:
        await super().stop()
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.cancel()

    async def _keep_trying(self) -> None:
        failures = 1
        while True:
            await pause(failures)
            if await self._subscribed():
                # A subscription begins now: events published before were missed.
                self._on_gap()
                return
            failures += 1

    async def _subscribed(self) -> bool:
        try:
            self._subscription = await self._bus.subscribe_batches(
                self._handler, group=self._group, on_gap=self._on_gap
            )
        except EventError as error:
            self._error = str(error)
            log.warning("%s: %s; trying again", self.name, error)
            return False
        return True


class SourceInput(Input):
    """A source that is read, and started again after it failed."""

    def __init__(
        self,
        source: EventSource,
        state: ListenerState | None,
        receive: Callable[[Sequence[SchemaEvent], str], Awaitable[None]],
        on_gap: OnGap,
    ) -> None:
        super().__init__(source.name, on_gap)
        self._source = source
        self._state = state
        self._receive = receive
        self._answered = asyncio.Event()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._follow())
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._answered.wait()
        except TimeoutError:
            self._error = f"not ready after {_READY_SECONDS:.0f} s"

    async def _follow(self) -> None:
        failures = 0
        while True:
            started_well = await self._follow_once()
            failures = 1 if started_well else failures + 1
            self._answered.set()
            await pause(failures)

    async def _follow_once(self) -> bool:
        """Read the source until it fails; returns whether it had worked before."""
        worked = False
        try:
            async with aclosing(self._source.batches(self._state)) as batches:
                async for events in batches:
                    if not worked:
                        self._began()
                        worked = True
                    if events:
                        await self._receive(events, self.name)
            self._error = "it ended"
        except LLMIntegrationsError as error:
            self._error = str(error)
            log.warning("%s: %s; trying again", self.name, error)
        except Exception as error:  # a bug of one source must not end the others
            self._error = type(error).__name__
            log.exception("%s failed; trying again", self.name)
        return worked

    def _began(self) -> None:
        if self._answered.is_set():
            # A restart after a failure: events may have been missed.
            self._on_gap()
        self._error = None
        self._answered.set()
