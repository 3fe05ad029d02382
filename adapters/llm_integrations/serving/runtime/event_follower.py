"""From the configuration's ``events`` to a listener."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_integrations.core.events import (
    ConfluentTopicSource,
    EventBus,
    EventListener,
    EventSource,
    FileWatchSource,
    PollSource,
)
from llm_integrations.core.events.listener.background import BackgroundListener
from llm_integrations.core.registry import Registry
from llm_integrations.serving.config.events import EventsConfig, WebhookReceiverConfig
from llm_integrations.serving.config.section import secret_from
from llm_integrations.serving.runtime.integration import ModelServingIntegration

if TYPE_CHECKING:
    from llm_integrations.core.webhooks import WebhookReceiver

__all__ = ["EventFollower"]


class EventFollower:
    """Listens on a thread of its own, so that no event holds up a request.

    Attributes:
        receiver: the app that takes webhooks, if any.
    """

    def __init__(
        self, config: EventsConfig, registry: Registry, integration: ModelServingIntegration
    ) -> None:
        self._config = config
        self._registry = registry
        self._integration = integration
        self._background: BackgroundListener | None = None
        self.receiver: WebhookReceiver | None = None
        self._buses: list[EventBus | str] = list(config.buses)
        if config.webhook is not None:
            self._buses.append(self._receive(config.webhook))

    @property
    def wanted(self) -> bool:
        config = self._config
        return bool(self._buses or config.watch or config.poll or config.schemas_topic)

    def start(self) -> None:
        """Return once events come; what cannot be reached is tried again in the background.

        Raises:
            LLMIntegrationsError: something is configured that cannot be.
        """
        if not self.wanted:
            return
        listener = EventListener(
            self._registry, [self._integration], buses=self._buses, sources=self._sources()
        )
        self._background = listener.run_in_background()

    def stop(self) -> None:
        background, self._background = self._background, None
        if background is not None:
            background.stop()

    def health(self) -> bool | None:
        """Whether events come; None when nothing is listened to."""
        return None if self._background is None else bool(self._background.health())

    def _receive(self, config: WebhookReceiverConfig) -> EventBus:
        from llm_integrations.core.webhooks import WebhookReceiver  # needs an extra of its own

        secret = secret_from("events.webhook", config.secret_env)
        self.receiver = WebhookReceiver(secret, config.inbox)
        return self.receiver

    def _sources(self) -> list[EventSource]:
        config = self._config
        sources: list[EventSource] = []
        if config.watch:
            sources.append(FileWatchSource(self._registry))
        if config.poll is not None:
            subjects = {reference.subject for reference in self._integration.references}
            sources.append(PollSource(self._registry, subjects, interval=config.poll))
        if config.schemas_topic is not None:
            sources.append(ConfluentTopicSource(config.schemas_topic, self._registry))
        return sources
