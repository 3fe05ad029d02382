"""Events through Kafka."""

from llm_integrations.core.extras import require_extra

require_extra("kafka", "aiokafka")

from llm_integrations.core.events.brokers.kafka.bus import KafkaEventBus  # noqa: E402 - named first
from llm_integrations.core.events.brokers.kafka.options import KafkaOptions  # noqa: E402

__all__ = ["KafkaEventBus", "KafkaOptions"]
