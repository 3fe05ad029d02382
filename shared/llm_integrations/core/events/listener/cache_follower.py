"""How registry caches follow the events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.events.listener.dedup_store import DedupStore
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.cache.following import NOTHING_HELD
from llm_integrations.core.registry.pending import Pending

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["CacheFollower"]

log = get_logger(__name__)


class CacheFollower:
    """Tells each registry client of an event once, and knows when its cache has caught up.

    An event for which the registry did not answer is told again when it is delivered again.
    """

    def __init__(self, registries: Iterable[Registry], *, limit: int) -> None:
        self._registries = list({id(registry): registry for registry in registries}.values())
        self._heard = DedupStore("cache", limit=limit, state=None)
        self._catching_up: dict[str, asyncio.Task[None]] = {}  # by event_id

    @property
    def is_behind(self) -> bool:
        """Whether some event is being followed: then ``caught_up`` may have to wait."""
        return bool(self._catching_up)

    def apply(self, events: Sequence[SchemaEvent]) -> None:
        """Begin to fetch what changed; subjects do not wait for each other."""
        subjects: dict[str, list[SchemaEvent]] = {}
        for event in events:
            if event.event_id not in self._catching_up and not self._heard.knows(event):
                subjects.setdefault(event.subject, []).append(event)
        for some in subjects.values():
            told = [_tell(registry, some) for registry in self._registries]
            under_way = [pending for pending in told if pending is not NOTHING_HELD]
            if under_way:
                task = asyncio.create_task(self._catch_up(some, under_way))
                self._catching_up.update((event.event_id, task) for event in some)
            else:
                self._hear(some)

    async def caught_up(self, events: Iterable[SchemaEvent]) -> None:
        """Return once the caches have what the registries have since these events, or failed."""
        for event in events:
            task = self._catching_up.get(event.event_id)
            if task is not None:
                await asyncio.wait({task})

    def missed_something(self) -> None:
        """Events may have been missed: whatever is called latest has to be asked for again."""
        for registry in self._registries:
            registry.mark_latest_stale()

    async def stop(self) -> None:
        tasks = set(self._catching_up.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _catch_up(self, events: Sequence[SchemaEvent], told: Sequence[Pending[bool]]) -> None:
        try:
            answers = await asyncio.gather(*told, return_exceptions=True)
            if all(answer is True for answer in answers):
                self._hear(events)
        finally:
            for event in events:
                self._catching_up.pop(event.event_id, None)

    def _hear(self, events: Sequence[SchemaEvent]) -> None:
        for event in events:
            self._heard.add(event)


def _tell(registry: Registry, events: Sequence[SchemaEvent]) -> Pending[bool]:
    try:
        return registry.follow(events)
    except LLMIntegrationsError as error:
        log.warning("the cache of %s cannot follow %s: %s", registry.url, events[-1], error)
        return NOTHING_HELD
