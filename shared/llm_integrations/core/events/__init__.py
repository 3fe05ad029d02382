"""Events: what happened to schemas, the buses that carry it and the listener that reacts."""

from llm_integrations.core.events.bus import BusHealth, EventBus, Subscription
from llm_integrations.core.events.connect import connect_bus
from llm_integrations.core.events.event import SchemaEvent, SchemaEventType, event_id_of
from llm_integrations.core.events.listener import EventListener, ListenerHealth
from llm_integrations.core.events.memory import DeadLetter, InMemoryEventBus
from llm_integrations.core.events.options import DeliveryOptions
from llm_integrations.core.events.sources import (
    ConfluentTopicSource,
    EventSource,
    FileWatchSource,
    PollSource,
)
from llm_integrations.core.events.state import ListenerState

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
