"""How registry caches follow the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.events.listener.dedup_store import DedupStore
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import get_logger

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["CacheFollower"]

log = get_logger(__name__)


class CacheFollower:
    """Tells each registry client of an event once, before any handler hears of it."""

    def __init__(self, registries: Iterable[Registry], *, limit: int) -> None:
        self._registries = list({id(registry): registry for registry in registries}.values())
        self._heard = DedupStore("cache", limit=limit, state=None)

    def apply(self, events: Sequence[SchemaEvent]) -> None:
        """In a burst, what concerns one subject marks all of it stale, once."""
        subjects: dict[str, SchemaEvent | None] = {}
        for event in events:
            if self._heard.knows(event):
                continue
            self._heard.add(event)
            if event.event_type is SchemaEventType.DELETED:
                self._tell(event)
            elif event.event_type is not SchemaEventType.COMPATIBILITY_VIOLATED:
                subjects[event.subject] = None if event.subject in subjects else event
        for subject, only in subjects.items():
            self._tell(only or subject)

    def missed_something(self) -> None:
        """Events may have been missed: whatever is called latest has to be asked for again."""
        for registry in self._registries:
            registry.mark_latest_stale()

    def _tell(self, change: SchemaEvent | str) -> None:
        for registry in self._registries:
            try:
                if isinstance(change, str):
                    registry.invalidate(SchemaRef(change))
                else:
                    registry.apply_event(change)
            except LLMIntegrationsError as error:
                log.warning("the cache of %s cannot follow %s: %s", registry.url, change, error)
