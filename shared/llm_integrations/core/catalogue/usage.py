"""One use of one schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from llm_integrations.core.model.reference import SchemaRef

__all__ = ["Usage", "UsageKind"]

UsageKind: TypeAlias = str
"""What sort of thing, in its adapter's word: ``prompt``, ``dataset``, ``index``, ``benchmark`` …"""


@dataclass(frozen=True, slots=True)
class Usage:
    """A use of a schema: a prompt, data set, index or benchmark that is held to it.

    Attributes:
        kind: what sort of thing; any text.
        name: which one; unique within its kind.
        schema: the reference as it was written: pinned to a version, or latest.
        role: what the schema is for there, as ``input`` or ``output``.
        owner: who is told of changes; None takes the schema's owner.
        metadata: JSON that its module keeps with it (where it lies, how to reach it).
    """

    kind: UsageKind
    name: str
    schema: SchemaRef
    role: str = "input"
    owner: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def follows_latest(self) -> bool:
        """Whether a new version is in force there by itself."""
        return self.schema.is_latest
