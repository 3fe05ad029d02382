"""A source that looks at a registry again and again, and tells what lies between two looks."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Literal

from llm_integrations.core.errors import (
    ConfigurationError,
    LLMIntegrationsError,
    RegistryUnavailable,
)
from llm_integrations.core.events.sources.base import EventSource
from llm_integrations.core.events.sources.view import View
from llm_integrations.core.events.state import ListenerState
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import get_logger

__all__ = ["SnapshotSource", "alone"]

log = get_logger(__name__)


class SnapshotSource(EventSource):
    """Keeps what was seen last, in the listener's state too; subclasses look.

    Args:
        name: unique within a listener.
        start: "now" makes the first look the baseline, "beginning" tells all that it finds.
    """

    def __init__(self, name: str, start: Literal["now", "beginning"]) -> None:
        if start not in ("now", "beginning"):
            raise ConfigurationError(f"start must be 'now' or 'beginning', not {start!r}")
        self.name = name
        self._view = View() if start == "beginning" else None

    @abstractmethod
    def _looks(self) -> AsyncGenerator[tuple[View, list[SchemaEvent]], None]:
        """Yields, now and then, what is there and what happened since ``self._view``.

        None stands there until there was a look, or a snapshot of an earlier run.
        """

    async def batches(
        self, state: ListenerState | None = None
    ) -> AsyncGenerator[Sequence[SchemaEvent], None]:
        kept = await asyncio.to_thread(state.snapshot, self.name) if state else None
        if kept is not None:
            self._view = View.from_json(kept)
        is_first = True
        async with aclosing(self._looks()) as looks:
            async for view, events in looks:
                if events:
                    yield events
                # Only what was handled counts as seen.
                if state is not None and (events or is_first):
                    await asyncio.to_thread(state.save_snapshot, self.name, view.to_json())
                self._view = view
                if is_first and not events:
                    yield []
                is_first = False


@contextmanager
def alone(subject: str) -> Iterator[None]:
    """What is wrong with one subject is logged; it is looked at again, and the others go on.

    A registry that cannot be reached concerns them all, and is raised.
    """
    try:
        yield
    except RegistryUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a schema makes us raise
        reason = str(error) if isinstance(error, LLMIntegrationsError) else type(error).__name__
        log.warning("%r is left out until it can be read: %s", subject, reason)
