"""Judging Arrow tables by a JSON Schema, at the speed of their columns."""

from __future__ import annotations

from llm_integrations.core.arrow.compile.explanation import Explanation, Note
from llm_integrations.core.arrow.plan import (
    ArrowPlan,
    ArrowSplit,
    compile_arrow,
)
from llm_integrations.core.arrow.read_schema import arrow_schema
from llm_integrations.core.arrow.registered_plan import count, plan_for
from llm_integrations.core.arrow.report import ArrowReport
from llm_integrations.core.arrow.run.setting_aside import set_aside
from llm_integrations.core.arrow.run.verdict_counts import (
    ERRORS,
    VALID,
    Reason,
    VerdictCounts,
    read_reasons,
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
    "VerdictCounts",
    "arrow_schema",
    "compile_arrow",
    "count",
    "plan_for",
    "read_reasons",
    "set_aside",
]
