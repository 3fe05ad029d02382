"""Making a bus from its URL."""

from __future__ import annotations

from typing import Any

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.events.bus import EventBus

__all__ = ["connect_bus"]


def connect_bus(url: str, **options: Any) -> EventBus:
    """Make the bus that a URL names. Nothing is connected yet.

    Args:
        url: ``memory://``, ``kafka://host1:9092,host2:9092/topic`` or
            ``amqp(s)://user:password@host/vhost?exchange=schemas``.
        options: keywords of InMemoryEventBus, KafkaEventBus or RabbitMQEventBus.

    Raises:
        ConfigurationError: the URL or an option is wrong.
        MissingExtra: the client library of that broker is not installed.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    try:
        match scheme:
            case "memory":
                from llm_integrations.core.events.brokers.memory import InMemoryEventBus

                return InMemoryEventBus(**options)
            case "kafka":
                from llm_integrations.core.events.brokers.kafka import KafkaEventBus

                return KafkaEventBus(url, **options)
            case "amqp" | "amqps":
                from llm_integrations.core.events.brokers.rabbitmq import RabbitMQEventBus

                return RabbitMQEventBus(url, **options)
    except TypeError as error:
        raise ConfigurationError(f"{scheme} bus: {error}") from None
    wrong = f"no bus speaks {scheme!r}" if scheme else "the URL of a bus has a scheme"
    raise ConfigurationError(
        f"{wrong}: write memory://, kafka://host:9092/topic or amqp://host/vhost"
    )
