"""The notice that an owner gets of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_integrations.core.model.event import SchemaEvent

__all__ = ["Notice"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A change, whom it concerns and what to do. May repeat after a crash: key by ``event_id``.

    Attributes:
        owner: who is told; None where nobody is named.
        event: the change.
        affected: the names of what the owner has that it concerns.
        headline: one line: what happened and how bad it is.
        guide: the migration guide as Markdown; empty where there is nothing to migrate.
        breaking: whether something stops working.
    """

    owner: str | None
    event: SchemaEvent
    affected: tuple[str, ...]
    headline: str
    guide: str = ""
    breaking: bool = False

    @property
    def event_id(self) -> str:
        return self.event.event_id

    def to_markdown(self) -> str:
        """The notice with its guide."""
        concerned = "\n".join(f"- {name}" for name in self.affected)
        return "\n\n".join(part for part in (self.headline, concerned, self.guide) if part)

    def to_dict(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "owner": self.owner,
            "subject": self.event.subject,
            "version": self.event.version,
            "event_type": str(self.event.event_type),
            "affected": list(self.affected),
            "headline": self.headline,
            "breaking": self.breaking,
            "guide": self.guide,
        }
