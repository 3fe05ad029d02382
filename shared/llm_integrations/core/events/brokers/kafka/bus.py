"""The Kafka bus: keyed by subject, acknowledged after the handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from llm_integrations.core.events.brokers.broker_bus import BrokerBus
from llm_integrations.core.events.brokers.kafka.clients import Clients
from llm_integrations.core.events.brokers.kafka.publisher import Headers, Publisher
from llm_integrations.core.events.brokers.kafka.subscription import KafkaSubscription
from llm_integrations.core.events.bus import OnGap
from llm_integrations.core.events.cloudevents import CONTENT_TYPE, to_json
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_published
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent

__all__ = ["KafkaEventBus"]

_HEADERS: Final[Headers] = [("content-type", CONTENT_TYPE.encode())]


class KafkaEventBus(BrokerBus):
    """One topic; a subject's events stay in one partition, and so in order.

    A broadcast handler reads all partitions from the end, without a consumer group. A group
    commits after its handlers; one that is new begins with what the topic still holds. What
    cannot be read or handled goes to the dead-letter topic, the reason in its headers.

    Args:
        url: ``kafka://[user:password@]host1:9092,host2:9092/topic``.
        delivery: retries and breaker of each handler.
        options: fields of KafkaOptions.
    """

    transport: ClassVar[str] = "kafka"

    def __init__(
        self, url: str, *, delivery: DeliveryOptions | None = None, **options: Any
    ) -> None:
        self._clients = Clients.of(url, **options)
        self._publisher = Publisher(self._clients)
        super().__init__(self._clients.address.url, self._publisher, delivery)
        self.options = self._clients.options
        self.topic = self._clients.address.topic
        self.dead_letter_topic = self.options.dead_letter_topic or f"{self.topic}.dead-letter"

    async def publish(self, event: SchemaEvent) -> None:
        key = event.subject.encode("utf-8", "replace")
        await self._publisher.send(self.topic, key, to_json(event), _HEADERS)
        count_published(self.transport, event)

    def _subscription(
        self, handler: BatchHandler, group: str | None, on_gap: OnGap | None
    ) -> KafkaSubscription:
        return KafkaSubscription(
            self._clients,
            self._publisher,
            handler,
            topic=self.topic,
            dead_letter_topic=self.dead_letter_topic,
            group=group,
            on_gap=on_gap,
        )

    async def _ask(self) -> Mapping[str, Any]:
        return {"topic_exists": self.topic in await self._clients.topics()}
