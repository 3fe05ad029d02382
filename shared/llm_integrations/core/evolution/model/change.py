"""One difference between two schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

__all__ = ["Change", "ChangeKind", "Direction"]

Direction = Literal["backward", "forward"]
"""backward: new readers, old data. forward: old readers, new data."""


class ChangeKind(StrEnum):
    PROPERTY_ADDED = "property added"
    PROPERTY_REMOVED = "property removed"
    MADE_REQUIRED = "made required"
    MADE_OPTIONAL = "made optional"
    TYPE_WIDENED = "type widened"
    TYPE_NARROWED = "type narrowed"
    TYPE_CHANGED = "type changed"
    ENUM_VALUE_ADDED = "enum value added"
    ENUM_VALUE_REMOVED = "enum value removed"
    ENUM_ADDED = "enum added"
    ENUM_REMOVED = "enum removed"
    CONST_CHANGED = "constant changed"
    BOUND_TIGHTENED = "bound tightened"
    BOUND_LOOSENED = "bound loosened"
    BOUND_CHANGED = "bound changed"
    PATTERN_ADDED = "pattern added"
    PATTERN_REMOVED = "pattern removed"
    PATTERN_CHANGED = "pattern changed"
    FORMAT_ADDED = "format added"
    FORMAT_REMOVED = "format removed"
    FORMAT_CHANGED = "format changed"
    CONTENT_OPENED = "content model opened"
    CONTENT_CLOSED = "content model closed"
    NAMES_CHANGED = "property names changed"
    PATTERN_PROPERTY_ADDED = "pattern property added"
    PATTERN_PROPERTY_REMOVED = "pattern property removed"
    DEPENDENCY_ADDED = "dependency added"
    DEPENDENCY_REMOVED = "dependency removed"
    DEPENDENCY_CHANGED = "dependency changed"
    ITEM_ADDED = "item added"
    ITEM_REMOVED = "item removed"
    CONTAINS_CHANGED = "contains changed"
    COMBINATION_ADDED = "combination added"
    COMBINATION_REMOVED = "combination removed"
    COMBINATION_CHANGED = "combination changed"
    DEFINITION_ADDED = "definition added"
    DEFINITION_REMOVED = "definition removed"
    DEFINITION_CHANGED = "definition changed"
    REFERENCE_CHANGED = "reference changed"
    DIALECT_CHANGED = "dialect changed"
    DOCUMENTATION = "documentation"


_NEVER_BREAKING: Final = frozenset(
    {
        ChangeKind.DEFINITION_ADDED,
        ChangeKind.DEFINITION_REMOVED,
        ChangeKind.DEFINITION_CHANGED,
        ChangeKind.REFERENCE_CHANGED,
        ChangeKind.DOCUMENTATION,
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, and whom it breaks.

    Attributes:
        path: where the schema differs, as a JSON Pointer into the new schema, or into the old one
            where the new one has nothing (``side`` says which).
        kind: what happened.
        old: what stood there before; None when nothing did.
        new: what stands there now; None when nothing does.
        breaks_backward: whether the change can make new readers refuse old data.
        breaks_forward: whether the change can make old readers refuse new data.
        where: the place in the data, as ``user.tags[*]``; empty for the whole.
        keyword: the JSON Schema keyword, or the property's name where one was added or removed.
        side: which of the two schemas ``path`` points into.
        rename: for a property that was added or removed, the one of the same shape that was
            removed or added beside it: probably the same property under another name.
    """

    path: str
    kind: ChangeKind
    old: Any = None
    new: Any = None
    breaks_backward: bool = False
    breaks_forward: bool = False
    where: str = ""
    keyword: str = ""
    side: Literal["old", "new"] = "new"
    rename: str | None = None

    @property
    def is_breaking(self) -> bool:
        return self.breaks_backward or self.breaks_forward

    @property
    def is_documentation(self) -> bool:
        """Whether it changes no verdict on any data, by its kind alone."""
        return self.kind in _NEVER_BREAKING

    def breaks(self, direction: Direction) -> bool:
        return self.breaks_backward if direction == "backward" else self.breaks_forward

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON types."""
        made: dict[str, Any] = {
            "path": self.path,
            "kind": str(self.kind),
            "old": self.old,
            "new": self.new,
            "breaks_backward": self.breaks_backward,
            "breaks_forward": self.breaks_forward,
            "where": self.where,
            "keyword": self.keyword,
            "side": self.side,
        }
        return made if self.rename is None else {**made, "rename": self.rename}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Change:
        """The opposite of ``to_dict``."""
        return cls(**{**data, "kind": ChangeKind(data["kind"])})

    def __str__(self) -> str:
        from llm_integrations.core.evolution.text.wording import describe

        return f"{self.path or '(root)'}: {describe(self)}"
