"""The interface of every source of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence

from llm_integrations.core.events.state import ListenerState
from llm_integrations.core.model.event import SchemaEvent

__all__ = ["EventSource"]


class EventSource(ABC):
    """Makes events of the changes that it observes in a registry.

    Attributes:
        name: a metric label, and the key of what the source remembers across restarts; the same
            after a restart, and unique within a listener.
    """

    name: str

    @abstractmethod
    def batches(
        self, state: ListenerState | None = None
    ) -> AsyncGenerator[Sequence[SchemaEvent], None]:
        """Yield what happened, some events at a time and in order by subject.

        The first batch comes once the source watches, and is empty if nothing has happened.
        Asking for the next batch says that this one was handled. When it raises
        LLMIntegrationsError the listener logs that and calls again after a pause, and the source
        goes on from what was handled; ``state`` lets it go on after a restart too.
        """
