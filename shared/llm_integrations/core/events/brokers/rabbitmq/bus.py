"""The RabbitMQ bus: a durable topic exchange, and a durable queue for each group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from llm_integrations.core.events.brokers.broker_bus import BrokerBus
from llm_integrations.core.events.brokers.rabbitmq.broker import Broker
from llm_integrations.core.events.brokers.rabbitmq.options import RabbitMQAddress, RabbitMQOptions
from llm_integrations.core.events.brokers.rabbitmq.publisher import Publisher
from llm_integrations.core.events.brokers.rabbitmq.subscription import RabbitMQSubscription
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.events.cloudevents import to_json
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_published
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent

__all__ = ["RabbitMQEventBus"]


class RabbitMQEventBus(BrokerBus):
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
        self._address = RabbitMQAddress.parse(url)
        self.options = RabbitMQOptions(**options)
        self._broker = Broker(self._address, self.options)
        self._publisher = Publisher(self._broker)
        super().__init__(self._address.url, self._publisher, delivery)

    async def publish(self, event: SchemaEvent) -> None:
        await self._publisher.send(
            self._broker.exchange, event.subject, to_json(event), {}, event.event_id
        )
        count_published(self.transport, event)

    def _subscription(
        self, handler: BatchHandler, group: str | None, on_gap: OnGap | None
    ) -> RabbitMQSubscription:
        return RabbitMQSubscription(
            self._broker, self._publisher, handler, group=group, on_gap=on_gap
        )

    async def _ask(self) -> Mapping[str, Any]:
        await self._publisher.ping()
        return {}
