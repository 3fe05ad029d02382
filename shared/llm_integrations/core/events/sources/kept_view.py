"""A source's view of its registry, stored in the listener's state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from llm_integrations.core.events.sources.view import View
from llm_integrations.core.events.state import ListenerState

__all__ = ["KeptView"]


class KeptView:
    """Loads and saves a view, with the position up to which it holds. A save writes only changes.

    Args:
        state: None keeps nothing.
        source: the source's name.
    """

    def __init__(self, state: ListenerState | None, source: str) -> None:
        self._state = state
        self._source = source
        self._saved = View()

    async def load(self) -> tuple[View, Mapping[str, Any]] | None:
        """The view that the last run saved, and the position saved with it."""
        if self._state is None:
            return None
        content = await asyncio.to_thread(self._state.snapshot, self._source)
        if content is None:
            return None
        parts = await asyncio.to_thread(self._state.snapshot_parts, self._source)
        self._saved = View.from_json(parts)
        return self._saved, content

    async def save(self, view: View, reach: Mapping[str, Any]) -> None:
        if self._state is not None:
            await asyncio.to_thread(self._save, self._state, view, reach)

    def _save(self, state: ListenerState, view: View, reach: Mapping[str, Any]) -> None:
        state.save_snapshot(self._source, reach, view.changes_since(self._saved))
        self._saved = view
