"""The Kafka bus: keyed by subject, acknowledged after the handler."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from llm_integrations.core.errors import EventError
from llm_integrations.core.events.brokers.kafka.clients import Clients
from llm_integrations.core.events.brokers.kafka.publisher import Headers, Publisher
from llm_integrations.core.events.brokers.kafka.subscription import KafkaSubscription
from llm_integrations.core.events.bus import BusHealth, EventBus, OnGap, Subscription
from llm_integrations.core.events.cloudevents import CONTENT_TYPE, to_json
from llm_integrations.core.events.delivery.deliverer import BatchHandler, count_published
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.reprs import never_raises

__all__ = ["KafkaEventBus"]

_HEADERS: Final[Headers] = [("content-type", CONTENT_TYPE.encode())]


class KafkaEventBus(EventBus):
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
        super().__init__(delivery=delivery)
        self._clients = Clients.of(url, **options)
        self.options = self._clients.options
        self.topic = self._clients.address.topic
        self.dead_letter_topic = self.options.dead_letter_topic or f"{self.topic}.dead-letter"
        self._publisher = Publisher(self._clients)
        self._subscriptions: list[KafkaSubscription] = []
        self._closed = False

    @property
    def url(self) -> str:
        """Without credentials."""
        return self._clients.address.url

    @never_raises
    def __repr__(self) -> str:
        return f"KafkaEventBus({self.url!r})"

    async def publish(self, event: SchemaEvent) -> None:
        key = event.subject.encode("utf-8", "replace")
        await self._publisher.send(self.topic, key, to_json(event), _HEADERS)
        count_published(self.transport, event)

    async def subscribe_batches(
        self, handler: BatchHandler, *, group: str | None = None, on_gap: OnGap | None = None
    ) -> Subscription:
        if self._closed:
            raise EventError("the bus is closed")
        subscription = KafkaSubscription(
            self._clients,
            self._publisher,
            handler,
            topic=self.topic,
            dead_letter_topic=self.dead_letter_topic,
            group=group,
            on_gap=on_gap,
        )
        await subscription.start()
        self._subscriptions.append(subscription)
        return subscription

    async def health_check(self) -> BusHealth:
        live = [s for s in self._subscriptions if not s.ended]
        connected = [s for s in live if s.connected]
        detail: dict[str, Any] = {"subscriptions": len(live), "connected": len(connected)}
        if self._closed:
            return BusHealth(False, self.transport, {**detail, "error": "closed"})
        try:
            detail["topic_exists"] = self.topic in await self._clients.topics()
        except EventError as error:
            return BusHealth(False, self.transport, {**detail, "error": str(error)})
        return BusHealth(len(connected) == len(live), self.transport, detail)

    async def close(self) -> None:
        self._closed = True
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.cancel()
        await self._publisher.close()
