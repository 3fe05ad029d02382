"""Deduplication: the ids of the events that were handled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.model.event import SchemaEvent, SchemaEventType

if TYPE_CHECKING:
    from llm_integrations.core.events.state import ListenerState

__all__ = ["DedupStore"]


class DedupStore:
    """The ids of the events that one integration has handled, grouped by subject and version.

    A deletion forgets the other ids of its version, since the same content can be registered
    again with the same ids; what comes after it forgets the deletion in turn.

    Args:
        integration: the integration's name.
        limit: subjects' versions remembered in memory; the one longest untouched goes first.
        state: keeps the ids across restarts; None keeps them in memory only.
    """

    def __init__(self, integration: str, *, limit: int, state: ListenerState | None) -> None:
        self._integration = integration
        self._limit = limit
        self._state = state
        # By reference. One id, which is the usual case, stands by itself: a million small
        # containers would keep the garbage collector busy.
        self._ids: dict[str, str | dict[str, bool]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    async def load(self) -> None:
        """Read what was handled before a restart."""
        if self._state is None:
            return
        rows = await asyncio.to_thread(self._state.load, self._integration, self._limit)
        for subject, version, event_id, deletion in rows:
            self._add(f"{subject}@{version}", event_id, deletion)

    def knows(self, event: SchemaEvent) -> bool:
        ids = self._ids.get(f"{event.subject}@{event.version}")
        if ids is None or isinstance(ids, str):
            return ids == event.event_id
        return event.event_id in ids

    def add(self, event: SchemaEvent) -> None:
        """Remember in memory that an event was handled; ``keep`` makes it last."""
        deletion = event.event_type is SchemaEventType.DELETED
        self._add(f"{event.subject}@{event.version}", event.event_id, deletion)

    async def keep(self, events: Sequence[SchemaEvent]) -> None:
        """Write added events to the state, in one commit."""
        if self._state is None or not events:
            return
        if not self._state.keep_at_once(self._integration, events):
            await asyncio.to_thread(self._state.keep, self._integration, events)
        if self._state.is_untidy:
            await asyncio.to_thread(self._state.tidy)

    def _add(self, reference: str, event_id: str, deletion: bool) -> None:
        held = self._ids.pop(reference, None)
        if held is None:
            if len(self._ids) >= self._limit:
                del self._ids[next(iter(self._ids))]
            self._ids[reference] = {event_id: True} if deletion else event_id
            return
        known = {held: False} if isinstance(held, str) else held
        kept = {known_id: flag for known_id, flag in known.items() if flag is deletion}
        kept[event_id] = deletion
        self._ids[reference] = kept
