"""Whether results by two versions of a schema are comparable."""

from __future__ import annotations

from dataclasses import dataclass

from llm_integrations.core.errors import ComparisonLimitExceeded, InvalidSchema
from llm_integrations.core.evolution import Change, Source, check_compatibility, diff
from llm_integrations.core.model.schema import JsonSchema

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether past results remain comparable, why, and what changed."""

    comparable: bool
    reason: str
    changes: tuple[Change, ...] = ()


def compare(old: JsonSchema | Source, new: JsonSchema | Source) -> Comparison:
    """Comparable only if both versions accept exactly the same data, and that can be shown."""
    try:
        changes = tuple(diff(old, new))
        if not changes:
            return Comparison(True, "nothing changed")
        report = check_compatibility(new, [old], "FULL", policy="strict")
    except (InvalidSchema, ComparisonLimitExceeded) as error:
        return Comparison(False, f"the two versions cannot be compared: {error}")
    if report.is_compatible:
        return Comparison(True, "both versions accept the same data", changes)
    return Comparison(False, "the two versions accept different data", changes)
