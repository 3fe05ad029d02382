"""Schema events over HTTP: a dispatcher with an outbox, a receiver with an inbox."""

from llm_integrations.core.extras import require_extra

require_extra("webhooks", "standardwebhooks")

from llm_integrations.core.webhooks.config import WebhookConfig  # noqa: E402 - extra checked first
from llm_integrations.core.webhooks.receiving.receiver import WebhookReceiver  # noqa: E402
from llm_integrations.core.webhooks.sending.dispatcher import WebhookDispatcher  # noqa: E402

__all__ = ["WebhookConfig", "WebhookDispatcher", "WebhookReceiver"]
