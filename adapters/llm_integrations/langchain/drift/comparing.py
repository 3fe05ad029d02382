"""One tool's schema beside the registry's, by the compatibility that new versions are judged by."""

from __future__ import annotations

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ComparisonLimitExceeded, InvalidSchema
from llm_integrations.core.evolution import (
    Change,
    CompatibilityReport,
    Source,
    Undecided,
    check_compatibility,
    diff,
)
from llm_integrations.core.model.fingerprint import fingerprint_of
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.langchain.drift.report import Side, ToolLine

__all__ = ["compared"]

_LEVELS: dict[Side, str] = {"arguments": "BACKWARD", "results": "FORWARD"}


def compared(
    tool: str,
    side: Side,
    agreed: Source,
    stated: JsonSchema,
    *,
    level: str | None,
    policy: str,
    options: ValidationOptions | None,
) -> ToolLine:
    """Compare what was agreed with what a tool states. Takes milliseconds to seconds.

    Arguments that were right stay right (backward); results can be read as before (forward).
    """
    if fingerprint_of(agreed.body) == fingerprint_of(stated) and not agreed.resources:
        return ToolLine(tool, side, agreed.name, "same", stated=stated)
    level = level or _LEVELS[side]
    try:
        found = check_compatibility(stated, [agreed], level, policy, options=options)
        changes = _changes(agreed, stated, policy, options)
    except InvalidSchema as error:
        why = Undecided("", f"what the tool states is no usable schema: {error}", "backward")
        found, changes = CompatibilityReport(False, level, policy, unknown=(why,)), ()
    if not found:
        state = "incompatible"
    else:
        state = "compatible" if changes else "same"
    return ToolLine(tool, side, agreed.name, state, found, changes, stated)  # type: ignore[arg-type] # one of them


def _changes(
    agreed: Source, stated: JsonSchema, policy: str, options: ValidationOptions | None
) -> tuple[Change, ...]:
    try:
        found = diff(agreed, stated, policy=policy, options=options)
    except ComparisonLimitExceeded as error:
        found = list(error.changes)
    return tuple(change for change in found if not change.is_documentation)
