"""Recognising an event that was handled before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llm_integrations.core.events.event import SchemaEvent, SchemaEventType

if TYPE_CHECKING:
    from llm_integrations.core.events.state import ListenerState

__all__ = ["Handled"]


class Handled:
    """The ids of the events that one integration has handled, grouped by subject and version.

    A deletion forgets the other ids of its version, since the same content can be registered
    again with the same ids; what comes after it forgets the deletion in turn.

    Args:
        integration: whose events.
        limit: subjects' versions remembered in memory; the one longest untouched goes first.
        state: where they are kept across restarts, if anywhere.
    """

    def __init__(self, integration: str, *, limit: int, state: ListenerState | None) -> None:
        self._integration = integration
        self._limit = limit
        self._state = state
        self._ids: dict[tuple[str, str], dict[str, bool]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    async def load(self) -> None:
        """Read what was handled before a restart."""
        if self._state is None:
            return
        for row in await asyncio.to_thread(self._state.load, self._integration, self._limit):
            self._add(*row)

    def knows(self, event: SchemaEvent) -> bool:
        ids = self._ids.get((event.subject, event.version))
        return ids is not None and event.event_id in ids

    def add(self, event: SchemaEvent) -> None:
        """Remember in memory that an event was handled; ``keep`` makes it last."""
        deletion = event.event_type is SchemaEventType.DELETED
        self._add(event.subject, event.version, event.event_id, deletion)

    async def keep(self, events: Sequence[SchemaEvent]) -> None:
        """Write added events to the state, in one commit."""
        if self._state is not None and events:
            await asyncio.to_thread(self._state.keep, self._integration, events)

    def _add(self, subject: str, version: str, event_id: str, deletion: bool) -> None:
        key = (subject, version)
        ids = self._ids.pop(key, None)
        if ids is None:
            ids = {}
            if len(self._ids) >= self._limit:
                del self._ids[next(iter(self._ids))]
        elif (not deletion) in ids.values():
            ids = {known: flag for known, flag in ids.items() if flag is deletion}
        ids[event_id] = deletion
        self._ids[key] = ids
