"""The RabbitMQ bus: a durable topic exchange, and a durable queue for each group."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.rabbitmq.broker import Broker
from llm_integrations.core.events.brokers.rabbitmq.options import RabbitMQAddress, RabbitMQOptions
from llm_integrations.core.events.brokers.rabbitmq.publisher import Publisher
from llm_integrations.core.events.brokers.rabbitmq.subscription import RabbitMQSubscription
from llm_integrations.core.events.bus import BusHealth, EventBus, OnGap, Subscription
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_published
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.reprs import never_raises

__all__ = ["RabbitMQEventBus"]


class RabbitMQEventBus(EventBus):
    """Events go to a topic exchange with the subject as routing key, persistent and confirmed.

    A broadcast handler has an exclusive queue that goes with its connection. A group has a durable
    queue, from its first subscription on, whose members take turns: one is active at a time. What
    cannot be read or handled goes to ``<exchange>.dead-letter``, an exchange and a queue, the
    reason in its headers.

    Args:
        url: ``amqp(s)://user:password@host/vhost?exchange=schemas``.
        delivery: retries and breaker of each handler.
        options: fields of RabbitMQOptions.
    """

    transport: ClassVar[str] = "rabbitmq"

    def __init__(
        self, url: str, *, delivery: DeliveryOptions | None = None, **options: Any
    ) -> None:
        super().__init__(delivery=delivery)
        self._address = RabbitMQAddress.parse(url)
        self.options = RabbitMQOptions(**options)
        self._broker = Broker(self._address, self.options)
        self._publisher = Publisher(self._broker)
        self._subscriptions: list[RabbitMQSubscription] = []
        self._closed = False

    @property
    def url(self) -> str:
        """Without credentials."""
        return self._address.url

    @never_raises
    def __repr__(self) -> str:
        return f"RabbitMQEventBus({self.url!r})"

    async def publish(self, event: SchemaEvent) -> None:
        await self._publisher.send(
            self._broker.exchange, event.subject, to_json(event), {}, event.event_id
        )
        count_published(self.transport, event)

    async def subscribe_batches(
        self, handler: BatchHandler, *, group: str | None = None, on_gap: OnGap | None = None
    ) -> Subscription:
        if self._closed:
            raise EventError("the bus is closed")
        subscription = RabbitMQSubscription(
            self._broker, self._publisher, handler, group=group, on_gap=on_gap
        )
        await subscription.start()
        self._subscriptions.append(subscription)
        return subscription

    async def health_check(self) -> BusHealth:
        live = [s for s in self._subscriptions if not s.ended]
        connected = [s for s in live if s.connected]
        detail: dict[str, Any] = {"subscriptions": len(live), "connected": len(connected)}
        try:
            await self._publisher.ping()
        except EventError as error:
            return BusHealth(False, self.transport, {**detail, "error": str(error)})
        return BusHealth(len(connected) == len(live), self.transport, detail)

    async def close(self) -> None:
        self._closed = True
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.cancel()
        await self._publisher.close()
