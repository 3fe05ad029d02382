"""What a change means for a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from llm_integrations.core.catalogue import Usage
from llm_integrations.core.evolution import check_compatibility
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.schema import RegisteredSchema

__all__ = ["AffectedPrompt", "Impact", "impact_of", "is_breaking"]

Impact = Literal["breaking", "compatible", "outdated", "deprecated", "deleted", "none"]
"""breaking: follows latest, which now refuses what it took. compatible: follows latest, nothing
refused. outdated: pinned to an older version, which goes on. deprecated, deleted: its version."""

_ORDER: Final = ("deleted", "breaking", "deprecated", "outdated", "compatible", "none")


@dataclass(frozen=True, slots=True)
class AffectedPrompt:
    """A prompt that a change concerns, and how badly."""

    usage: Usage
    impact: Impact

    @property
    def owner(self) -> str | None:
        return self.usage.owner

    @property
    def severity(self) -> int:
        """0 is the worst."""
        return _ORDER.index(self.impact)

    def __str__(self) -> str:
        return f"{self.usage.name} ({self.usage.role}, {self.usage.schema}): {self.impact}"


def impact_of(usage: Usage, event: SchemaEvent, *, breaking: bool) -> Impact:
    """How a change meets one use of its subject; ``breaking`` is about a new version."""
    pinned_here = str(usage.schema.version) == event.version
    match event.event_type:
        case SchemaEventType.UPDATED if usage.follows_latest:
            return "breaking" if breaking else "compatible"
        case SchemaEventType.UPDATED:
            return "none" if pinned_here else "outdated"
        case SchemaEventType.DEPRECATED if pinned_here or usage.follows_latest:
            return "deprecated"
        case SchemaEventType.DELETED if pinned_here or usage.follows_latest:
            return "deleted"
    return "none"


def is_breaking(old: RegisteredSchema, new: RegisteredSchema, role: str) -> bool:
    """Whether what was right by the old version can be wrong by the new one.

    Inputs must still be taken (backward). What is said about an output must still hold for its
    readers (forward).
    """
    level = "FORWARD" if role == "output" else "BACKWARD"
    return not check_compatibility(new.body, [old.body], level, policy="lenient").is_compatible
