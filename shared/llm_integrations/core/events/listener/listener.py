"""From any number of buses and sources to any number of integrations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from llm_integrations.core.concurrency.loop_crossing import run_on, running_loop
from llm_integrations.core.errors import ConfigurationError, EventError
from llm_integrations.core.events.bus import EventBus
from llm_integrations.core.events.connect import connect_bus
from llm_integrations.core.events.delivery.dead_letter import DeadLetter
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.events.listener.background import BackgroundListener
from llm_integrations.core.events.listener.health import ListenerHealth
from llm_integrations.core.events.listener.inputs import BusInput, Input, SourceInput
from llm_integrations.core.events.listener.router import Router
from llm_integrations.core.events.sources.base import EventSource
from llm_integrations.core.events.state import ListenerState
from llm_integrations.core.model.event import SchemaEvent

if TYPE_CHECKING:
    from llm_integrations.core.integration import LLMModuleIntegration
    from llm_integrations.core.registry import Registry

__all__ = ["EventListener"]


class EventListener:
    """Lets integrations, and the caches of their registry clients, follow the events.

    Caches follow first, in every process. Then each integration gets each event: in every process
    if it declares ``delivery = "broadcast"``, in one process of the group if ``"work"``. A change
    that arrives by several ways, or again, is recognised by its event_id. What an integration
    gives up is dead-lettered with the reason: by the bus that brought it or, for sources, in
    ``state``. No integration's failure stops another.

    >>> async with EventListener(registry, [prompts, rag], buses=[bus], state="listener.db"):
    ...     ...

    Args:
        registry: the client whose cache follows, beside those of the integrations; a URL makes
            one, which ``stop`` closes.
        integrations: with names that are unique and stay the same across restarts.
        buses: EventBuses, or URLs for ``connect_bus``; ``stop`` closes the latter.
        sources: for registries that send no events.
        group: who shares work; each integration forms a group of its own under this name.
        state: a SQLite file (or a ListenerState) that remembers across restarts what was handled,
            what sources had seen, and dead letters. None remembers in memory only.
        delivery: retries and breaker of each integration.
        remember: versions remembered per integration, so that repetitions are recognised.
    """

    def __init__(
        self,
        registry: Registry | str | None = None,
        integrations: Iterable[LLMModuleIntegration] = (),
        *,
        buses: Iterable[EventBus | str] = (),
        sources: Iterable[EventSource] = (),
        group: str = "llm-integrations",
        state: ListenerState | str | Path | None = None,
        delivery: DeliveryOptions | None = None,
        remember: int = 100_000,
    ) -> None:
        self.integrations = tuple(integrations)
        self.sources = tuple(sources)
        self.group = group
        _check_unique("integration", [integration.name for integration in self.integrations])
        _check_unique("source", [source.name for source in self.sources])
        self._made: list[Registry | EventBus | ListenerState] = []
        self.state = self._state(state)
        self.buses = tuple(self._bus(bus) for bus in buses)
        self._router = Router(
            [*self._registry(registry), *(i.registry for i in self.integrations)],
            self.integrations,
            delivery=delivery or DeliveryOptions(),
            remember=remember,
            state=self.state,
        )
        self._inputs: list[Input] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def running(self) -> bool:
        return self._loop is not None

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """Dead letters of events that no bus brought; the newest thousand."""
        return list(self._router.dead_letters)

    async def start(self) -> None:
        """Subscribe and watch. Returns once events come; what cannot be reached is tried again.

        Raises:
            EventError: it runs already, or the state cannot be read.
        """
        if self.running:
            raise EventError("the listener runs already")
        await self._router.load()
        self._loop = asyncio.get_running_loop()
        self._inputs = self._make_inputs()
        try:
            await asyncio.gather(*(input_.start() for input_ in self._inputs))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening; unacknowledged events are delivered again later. Idempotent."""
        self._loop = None
        inputs, self._inputs = self._inputs, []
        for input_ in inputs:
            await input_.stop()
        await self._router.stop()
        for thing in self._made:
            if isinstance(thing, EventBus):
                await thing.close()
            else:
                await asyncio.to_thread(thing.close)

    async def receive(self, events: Sequence[SchemaEvent], transport: str = "direct") -> None:
        """Hand over events that came another way, as by a webhook. Callable from any event loop.

        Returns once every integration has handled each of them or given it up.

        Args:
            events: in order by subject.
            transport: a metric label.

        Raises:
            EventError: the listener does not run.
        """
        loop = self._loop
        if loop is None:
            raise EventError("the listener does not run")
        if running_loop() is loop:
            await self._router.receive(events, transport)
        else:
            await run_on(loop, self._router.receive(events, transport))

    async def health(self) -> ListenerHealth:
        """Ask the buses, and say how it goes. Never raises."""
        buses = tuple([await bus.health_check() for bus in self.buses])
        inputs = {input_.name: input_.problem for input_ in self._inputs}
        ok = self.running and all(buses) and not any(inputs.values())
        return ListenerHealth(ok, buses, inputs, self._router.health())

    async def redeliver(self) -> int:
        """Hand the state's dead letters to their integrations again; how many were handled."""
        return await self._router.redeliver()

    replay = redeliver  # its first name

    def run_in_background(self) -> BackgroundListener:
        """Start on a thread with an event loop of its own, for programs without one."""
        return BackgroundListener(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _state(self, state: ListenerState | str | Path | None) -> ListenerState | None:
        if isinstance(state, str | Path):
            state = ListenerState(state)
            self._made.append(state)
        return state

    def _bus(self, bus: EventBus | str) -> EventBus:
        if isinstance(bus, str):
            bus = connect_bus(bus)
            self._made.append(bus)
        if not isinstance(bus, EventBus):
            raise ConfigurationError(f"{type(bus).__name__} is no bus; give sources as sources=[…]")
        return bus

    def _registry(self, registry: Registry | str | None) -> list[Registry]:
        if registry is None:
            return []
        if isinstance(registry, str):
            from llm_integrations.core.registry import connect

            registry = connect(registry)
            self._made.append(registry)
        return [registry]

    def _make_inputs(self) -> list[Input]:
        router = self._router
        gap = router.mark_latest_stale
        inputs: list[Input] = []
        for number, bus in enumerate(self.buses, 1):
            name, label = f"{bus.transport}-{number}", bus.transport
            everyone = router.broadcast(label)
            inputs.append(BusInput(f"{name}/broadcast", bus, everyone, None, gap))
            for inbox in router.workers:
                group = f"{self.group}.{inbox.name}"
                work = router.work(inbox, label)
                inputs.append(BusInput(f"{name}/{inbox.name}", bus, work, group, gap))
        inputs += [SourceInput(one, self.state, router.receive, gap) for one in self.sources]
        return inputs


def _check_unique(what: str, names: Sequence[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ConfigurationError(f"more than one {what} is called {', '.join(sorted(repeated))}")
