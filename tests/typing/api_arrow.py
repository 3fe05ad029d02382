"""Type-checked, never run: judging tables as a user writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import Violation
from llm_integrations.core.validation.arrow import (
    ArrowPlan,
    ArrowReport,
    ArrowSplit,
    Explanation,
    Reason,
    Tally,
    compile_arrow,
    plan_for,
    read_reasons,
    set_aside,
)


def judge(table: Any, registry: Registry) -> None:
    plan = compile_arrow({"type": "object"}, options=ValidationOptions(), threads=1)
    assert_type(plan, ArrowPlan)
    assert_type(plan_for("row@1", registry=registry, json_columns=["extra"]), ArrowPlan)
    assert_type(ArrowPlan(registry.validator("row@1")).fingerprint, str)
    report = plan.validate(table, max_failures=100)
    assert_type(report, ArrowReport)
    assert_type(report.reasons[Reason("/a", "type")], int)
    assert_type(report.violations(), Iterator[tuple[int, tuple[Violation, ...]]])
    split = plan.split(table)
    assert_type(split, ArrowSplit)
    assert_type(plan.explain(table.schema), Explanation)
    counts = plan.tally(plan.annotate(table)) + plan.tally(plan.annotate(table))
    assert_type(counts, Tally)
    assert_type(set_aside([split.invalid], "bad", counts, source="here"), int)
    assert_type(read_reasons("[]"), tuple[Violation, ...])
