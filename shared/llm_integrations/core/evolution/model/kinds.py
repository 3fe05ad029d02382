"""What kinds of changes there are, and in which direction a change can break data."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

__all__ = ["DIRECTIONS", "ChangeKind", "Direction"]

Direction = Literal["backward", "forward"]
"""backward: new readers, old data. forward: old readers, new data."""

DIRECTIONS: Final[tuple[Direction, ...]] = ("backward", "forward")


class ChangeKind(StrEnum):
    """What a change does; the value is what people read."""

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

    @classmethod
    def of(cls, subject: str, old: object, new: object) -> ChangeKind:
        """What happened to a subject, as "pattern" or "definition": added, removed or changed."""
        event = "added" if old is None else "removed" if new is None else "changed"
        return cls(f"{subject} {event}")
