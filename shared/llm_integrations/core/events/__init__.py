"""Events of schemas: the buses and sources that bring them, the listener that handles them."""

from llm_integrations.core.events.brokers.memory import InMemoryEventBus
from llm_integrations.core.events.bus import BusHealth, EventBus, Subscription
from llm_integrations.core.events.connect import connect_bus
from llm_integrations.core.events.delivery.dead_letter import DeadLetter
from llm_integrations.core.events.delivery.options import DeliveryOptions
from llm_integrations.core.events.listener.health import ListenerHealth
from llm_integrations.core.events.listener.listener import EventListener
from llm_integrations.core.events.sources import (
    ConfluentTopicSource,
    EventSource,
    FileWatchSource,
    PollSource,
)
from llm_integrations.core.events.state import ListenerState
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType, event_id_of

__all__ = [
    "BusHealth",
    "ConfluentTopicSource",
    "DeadLetter",
    "DeliveryOptions",
    "EventBus",
    "EventListener",
    "EventSource",
    "FileWatchSource",
    "InMemoryEventBus",
    "ListenerHealth",
    "ListenerState",
    "PollSource",
    "SchemaEvent",
    "SchemaEventType",
    "Subscription",
    "connect_bus",
    "event_id_of",
]
