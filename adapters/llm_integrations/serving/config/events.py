"""Where changes of schemas are heard."""

from __future__ import annotations

from pydantic import Field

from llm_integrations.serving.config.section import Section, UrlPath

__all__ = ["EventsConfig", "WebhookReceiverConfig"]


class WebhookReceiverConfig(Section):
    """Take the registry's signed webhooks on a path of this server."""

    path: UrlPath = "/schemas/webhook"
    secret_env: str = Field(description="Environment variable with the signing secret.")
    inbox: str = Field(
        default="schema-events.db",
        description="SQLite file for what was accepted; every API server process reads it.",
    )


class EventsConfig(Section):
    """Where changes of schemas are heard. Without any, a new version counts once the TTL is over.

    Every API server process follows by itself.
    """

    watch: bool = Field(default=False, description="Watch the folder of a file registry.")
    poll: float | None = Field(
        default=None,
        gt=0,
        description="Ask the registry for its latest versions, every so many seconds.",
    )
    schemas_topic: str | None = Field(
        default=None, description="A Confluent registry's own topic: kafka://host:9092/_schemas."
    )
    buses: tuple[str, ...] = Field(
        default=(), description="kafka://host:9092/topic, amqp://host/vhost."
    )
    webhook: WebhookReceiverConfig | None = None
