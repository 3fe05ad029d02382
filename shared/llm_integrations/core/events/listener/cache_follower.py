"""Keeping the caches of registry clients up with the events of a listener."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.events.listener.dedup_store import DedupStore
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.cache.event_follower import NOTHING_HELD
from llm_integrations.core.registry.pending import Pending

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["CacheFollower"]

log = get_logger(__name__)


class CacheFollower:
    """Passes events to every registry client, and knows when the caches have caught up.

    What the caches have followed is not passed on when it is redelivered, unless a registry did
    not answer.
    """

    def __init__(self, registries: Iterable[Registry], *, limit: int) -> None:
        self._registries = list({id(registry): registry for registry in registries}.values())
        self._followed = DedupStore("cache", limit=limit, state=None)
        self._catching_up: dict[str, asyncio.Task[None]] = {}  # by event_id

    @property
    def is_behind(self) -> bool:
        """Whether some event is being followed: then ``caught_up`` may have to wait."""
        return bool(self._catching_up)

    def apply(self, events: Sequence[SchemaEvent]) -> None:
        """Begin to fetch what changed; subjects do not wait for each other."""
        subjects: dict[str, list[SchemaEvent]] = {}
        for event in events:
            if event.event_id not in self._catching_up and not self._followed.knows(event):
                subjects.setdefault(event.subject, []).append(event)
        for some in subjects.values():
            outcomes = [_follow(registry, some) for registry in self._registries]
            under_way = [pending for pending in outcomes if pending is not NOTHING_HELD]
            if under_way:
                task = asyncio.create_task(self._catch_up(some, under_way))
                self._catching_up.update((event.event_id, task) for event in some)
            else:
                # To pass on again what concerned no copy costs less than to remember it; only a
                # deletion would drop what was registered anew since.
                self._remember(e for e in some if e.event_type is SchemaEventType.DELETED)

    async def caught_up(self, events: Iterable[SchemaEvent]) -> None:
        """Return once the caches have fetched what these events changed, or failed to."""
        for event in events:
            task = self._catching_up.get(event.event_id)
            if task is not None:
                await asyncio.wait({task})

    def mark_latest_stale(self) -> None:
        """After a gap in the events: refetch on the next use what each client holds as latest."""
        for registry in self._registries:
            registry.mark_latest_stale()

    async def stop(self) -> None:
        tasks = set(self._catching_up.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _catch_up(
        self, events: Sequence[SchemaEvent], outcomes: Sequence[Pending[bool]]
    ) -> None:
        try:
            answers = await asyncio.gather(*outcomes, return_exceptions=True)
            if all(answer is True for answer in answers):
                self._remember(events)
        finally:
            for event in events:
                self._catching_up.pop(event.event_id, None)

    def _remember(self, events: Iterable[SchemaEvent]) -> None:
        for event in events:
            self._followed.add(event)


def _follow(registry: Registry, events: Sequence[SchemaEvent]) -> Pending[bool]:
    try:
        return registry.follow(events)
    except LLMIntegrationsError as error:
        log.warning("the cache of %s cannot follow %s: %s", registry.url, events[-1], error)
        return NOTHING_HELD
