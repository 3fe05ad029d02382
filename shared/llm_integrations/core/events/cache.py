"""How registry caches follow the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.events.event import SchemaEvent
from llm_integrations.core.events.handled import Handled
from llm_integrations.core.observability import get_logger

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["CacheReaction"]

log = get_logger(__name__)


class CacheReaction:
    """Tells each registry client of an event once, before any handler hears of it."""

    def __init__(self, registries: Iterable[Registry], *, limit: int) -> None:
        self._registries = list({id(registry): registry for registry in registries}.values())
        self._heard = Handled("cache", limit=limit, state=None)

    def apply(self, events: Sequence[SchemaEvent]) -> None:
        for event in events:
            if not self._heard.knows(event):
                self._heard.add(event)
                for registry in self._registries:
                    self._tell(registry, event)

    def missed_something(self) -> None:
        """Events may have been missed: whatever is called latest has to be asked for again."""
        for registry in self._registries:
            registry.mark_latest_stale()

    def _tell(self, registry: Registry, event: SchemaEvent) -> None:
        try:
            registry.apply_event(event)
        except LLMIntegrationsError as error:
            log.warning("the cache of %s cannot follow %s: %s", registry.url, event, error)
