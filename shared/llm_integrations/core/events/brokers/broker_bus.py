"""The base class of the Kafka and RabbitMQ buses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.reconnecting import ReconnectingSubscription
from llm_integrations.core.events.brokers.shared_client import SharedClient
from llm_integrations.core.events.bus import BusHealth, EventBus, OnGap, Subscription
from llm_integrations.core.events.delivery.deliverer import BatchHandler
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.reprs import never_raises

__all__ = ["BrokerBus"]


class BrokerBus(EventBus):
    """Keeps subscriptions that outlive their connections; subclasses speak to their broker.

    Args:
        url: without credentials.
    """

    def __init__(self, url: str, publisher: SharedClient, delivery: DeliveryOptions | None) -> None:
        super().__init__(delivery=delivery)
        self.url = url
        self._publishing = publisher
        self._subscriptions: list[ReconnectingSubscription] = []
        self._closed = False

    @never_raises
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @abstractmethod
    def _subscription(
        self, handler: BatchHandler, group: str | None, on_gap: OnGap | None
    ) -> ReconnectingSubscription:
        """Make a subscription, not started yet."""

    @abstractmethod
    async def _ask(self) -> Mapping[str, Any]:
        """Details of the broker's health. EventError if it does not answer."""

    async def subscribe_batches(
        self, handler: BatchHandler, *, group: str | None = None, on_gap: OnGap | None = None
    ) -> Subscription:
        if self._closed:
            raise EventError("the bus is closed")
        subscription = self._subscription(handler, group, on_gap)
        await subscription.start()
        self._subscriptions.append(subscription)
        return subscription

    async def health_check(self) -> BusHealth:
        live = [s for s in self._subscriptions if not s.ended]
        connected = [s for s in live if s.connected]
        detail: dict[str, Any] = {"subscriptions": len(live), "connected": len(connected)}
        if self._closed:
            return BusHealth(False, self.transport, {**detail, "error": "the bus is closed"})
        try:
            detail |= await self._ask()
        except EventError as error:
            return BusHealth(False, self.transport, {**detail, "error": str(error)})
        return BusHealth(len(connected) == len(live), self.transport, detail)

    async def close(self) -> None:
        self._closed = True
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.cancel()
        await self._publishing.close()
