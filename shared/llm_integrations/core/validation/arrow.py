"""Judging Arrow tables: the name under which users import ``core.arrow``."""

from __future__ import annotations

from llm_integrations.core.arrow import (
    ERRORS,
    VALID,
    ArrowPlan,
    ArrowReport,
    ArrowSplit,
    Explanation,
    Note,
    Reason,
    VerdictCounts,
    arrow_schema,
    compile_arrow,
    count,
    plan_for,
    read_reasons,
    set_aside,
)

__all__ = [
    "ERRORS",
    "VALID",
    "ArrowPlan",
    "ArrowReport",
    "ArrowSplit",
    "Explanation",
    "Note",
    "Reason",
    "Tally",
    "arrow_schema",
    "compile_arrow",
    "count",
    "plan_for",
    "read_reasons",
    "set_aside",
]

Tally = VerdictCounts
"""The name under which users know the counts."""
