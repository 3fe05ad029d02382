"""Judging Arrow tables by a JSON Schema, at the speed of their columns."""

from __future__ import annotations

from llm_integrations.core.validation.arrow.notes import Explanation, Note
from llm_integrations.core.validation.arrow.plan import ArrowPlan, ArrowSplit, compile_arrow
from llm_integrations.core.validation.arrow.report import ArrowReport, Reason, read_reasons

__all__ = [
    "ArrowPlan",
    "ArrowReport",
    "ArrowSplit",
    "Explanation",
    "Note",
    "Reason",
    "compile_arrow",
    "read_reasons",
]
