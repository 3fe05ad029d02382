"""Events through RabbitMQ."""

from llm_integrations.core.extras import require_extra

require_extra("rabbitmq", "aio_pika")

from llm_integrations.core.events.brokers.rabbitmq.bus import RabbitMQEventBus  # noqa: E402 - named first
from llm_integrations.core.events.brokers.rabbitmq.options import RabbitMQOptions  # noqa: E402

__all__ = ["RabbitMQEventBus", "RabbitMQOptions"]
