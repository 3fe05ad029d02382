"""Whether a class still says what the registry has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_integrations.core.evolution import diff
from llm_integrations.core.model.class_schema import Mode, schema_of
from llm_integrations.core.model.schema import RegisteredSchema, fingerprint_of

__all__ = ["Disagreement", "compare_model"]


@dataclass(frozen=True)
class Disagreement:
    """What differs between a class and a registered version; true where they disagree.

    Attributes:
        reference: the registered version, as ``user-profile@2``.
        changes: one line for each, from the registered version to the class.
    """

    reference: str
    changes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        if not self:
            return f"agrees with {self.reference}"
        lines = "".join(f"\n  {change}" for change in self.changes)
        return (
            f"disagrees with {self.reference}:{lines}\n"
            f"register the class as the next version, or change it back"
        )


def compare_model(
    model: Any, registered: RegisteredSchema, mode: Mode = "validation"
) -> Disagreement:
    """Compare a class with a registered version; words that judge nothing (titles) may differ.

    Raises:
        InvalidSchema: the class has no schema.
    """
    schema = schema_of(model, mode)
    if fingerprint_of(schema) == registered.fingerprint:
        return Disagreement(str(registered))
    changes = (change for change in diff(registered, schema) if not change.is_documentation)
    return Disagreement(str(registered), tuple(map(str, changes)))
