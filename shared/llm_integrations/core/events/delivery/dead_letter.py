"""The dead letter: an event that a handler or endpoint gave up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from llm_integrations.core.model.event import SchemaEvent

__all__ = ["DeadLetter", "moment"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that its receiver gave up, and why.

    Attributes:
        event: the event that was not handled or delivered.
        reason: why not.
        group: who gave it up: a group, an integration or a webhook's endpoint; None for a
            broadcast.
        at: when, in UTC.
        id: its number in the file that keeps it, to redeliver or discard it by; 0 in memory.
        transport: what brought the event (a metric label), where that is known.
        attempts: requests that were made, of a webhook.
    """

    event: SchemaEvent
    reason: str
    group: str | None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: int = 0
    transport: str = ""
    attempts: int = 0

    @property
    def integration(self) -> str:
        """``group``, of a letter in a listener's state."""
        return self.group or ""

    @property
    def endpoint(self) -> str:
        """``group``, of a webhook's letter."""
        return self.group or ""

    @property
    def webhook_id(self) -> str:
        """The ``webhook-id`` by which receivers recognise the event."""
        return self.event.event_id


def moment(seconds: float) -> datetime:
    """A Unix time as files keep it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
