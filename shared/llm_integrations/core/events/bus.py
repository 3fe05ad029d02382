"""The interface of every event bus."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, TypeAlias

from llm_integrations.core.events.delivery.deliverer import (
    BatchHandler,
    Handler,
    HandlerRunner,
    by_shard,
)
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent

__all__ = ["BusHealth", "EventBus", "OnGap", "Subscription"]

OnGap: TypeAlias = Callable[[], None]
"""Called when a broadcast subscription may have missed events."""


@dataclass(frozen=True, slots=True)
class BusHealth:
    """Whether the bus can publish and its subscriptions are connected. False when not ok."""

    ok: bool
    transport: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.ok


class Subscription(Protocol):
    """A handler's presence on a bus, until it is cancelled."""

    @property
    def connected(self) -> bool:
        """Whether events reach it at the moment."""
        ...

    async def cancel(self) -> None:
        """Stop handling. Events that were not acknowledged are delivered again elsewhere."""
        ...


class EventBus(ABC):
    """Carries events from publishers to handlers, at least once.

    Publishing is possible from any event loop and thread. A handler runs on the loop that
    subscribed it; a handler that is a plain function runs in a worker thread, so that it blocks
    nobody. Events of one subject are handled in their order, those of different subjects may be
    handled at the same time.
    """

    transport: ClassVar[str]
    """A metric label, as ``kafka``."""

    def __init__(self, *, delivery: DeliveryOptions | None = None) -> None:
        self.delivery = delivery or DeliveryOptions()

    @abstractmethod
    async def publish(self, event: SchemaEvent) -> None:
        """Hand one event over. Returns once the bus has it; EventError if it does not take it."""

    @abstractmethod
    async def subscribe_batches(
        self, handler: BatchHandler, *, group: str | None = None, on_gap: OnGap | None = None
    ) -> Subscription:
        """``subscribe`` for a handler that takes several events at once and never raises.

        It returns a reason for each event that failed, which is dead-lettered; the others are
        acknowledged. It does its own retries.
        """

    @abstractmethod
    async def health_check(self) -> BusHealth:
        """The health of the bus and its subscriptions. Never raises."""

    @abstractmethod
    async def close(self) -> None:
        """Cancel all subscriptions and let go of connections. Idempotent."""

    async def subscribe(
        self,
        handler: Handler,
        *,
        group: str | None = None,
        on_gap: OnGap | None = None,
        name: str | None = None,
    ) -> Subscription:
        """Call ``handler(event)`` for each event from now on.

        Args:
            handler: a function or coroutine function. Raising asks for another try; after
                ``DeliveryOptions.attempts`` tries the event is dead-lettered.
            group: None is broadcast, every process gets every event; the members of a group share
                the work, one of them handles an event and it is acknowledged after that.
            on_gap: called when a broadcast may have missed events (the broker was away).
            name: what logs and metrics call the handler.

        Raises:
            EventError: the broker cannot be reached.
        """
        runner = HandlerRunner(handler, name=name, options=self.delivery)

        async def handle(events: Sequence[SchemaEvent]) -> Sequence[str | None]:
            arrived = time.perf_counter()

            async def run(_: int, some: Sequence[SchemaEvent]) -> Sequence[str | None]:
                return [await runner.run(event, arrived, self.transport) for event in some]

            return await by_shard(events, run)

        return await self.subscribe_batches(handle, group=group, on_gap=on_gap)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
