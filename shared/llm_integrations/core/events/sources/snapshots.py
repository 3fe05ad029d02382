"""The base class of sources that compare snapshots of a registry."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Literal

from llm_integrations.core.errors import (
    ConfigurationError,
    EventError,
    LLMIntegrationsError,
    RegistryUnavailable,
)
from llm_integrations.core.events.sources.base import EventSource
from llm_integrations.core.events.sources.kept_view import KeptView
from llm_integrations.core.events.sources.view import View
from llm_integrations.core.events.state import ListenerState
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.registry.listing.left_out import NamedOnce

__all__ = ["SnapshotSource"]


class SnapshotSource(EventSource):
    """Keeps the last view, in the listener's state too; subclasses take snapshots.

    Args:
        name: unique within a listener.
        start: "now" makes the first look the baseline, "beginning" tells all that it finds.
    """

    def __init__(self, name: str, start: Literal["now", "beginning"]) -> None:
        if start not in ("now", "beginning"):
            raise ConfigurationError(f"start must be 'now' or 'beginning', not {start!r}")
        self.name = name
        self._named = NamedOnce()
        self._view = View() if start == "beginning" else None

    @abstractmethod
    def _looks(self) -> AsyncGenerator[tuple[View, list[SchemaEvent]], None]:
        """Yields, now and then, what is there and what happened since ``self._view``.

        None stands there until there was a look, or a snapshot of an earlier run.
        """

    async def batches(
        self, state: ListenerState | None = None
    ) -> AsyncGenerator[Sequence[SchemaEvent], None]:
        kept = KeptView(state, self.name)
        loaded = await kept.load()
        if loaded is not None:
            view, content = loaded
            self._view = view if view.subjects else View.from_json(content)  # its first form
        is_first = True
        async with aclosing(self._looks()) as looks:
            async for view, events in looks:
                if events:
                    yield events
                # The view moves on only once its events were handled.
                if events or is_first:
                    await kept.save(view, {})
                self._view = view
                if is_first and not events:
                    yield []
                is_first = False

    @contextmanager
    def _alone(self, subject: str) -> Iterator[None]:
        """Log an error of one subject, which is tried again next time; the others go on.

        A registry that cannot be reached concerns them all, and is raised.
        """
        try:
            yield
        except RegistryUnavailable:
            raise
        except LLMIntegrationsError as error:
            self._named.follow((), {subject: error})
        except Exception as error:  # noqa: BLE001 - whatever a schema makes us raise
            self._named.follow((), {subject: EventError(type(error).__name__)})
        else:
            self._named.follow([subject], {})
