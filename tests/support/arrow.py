"""Comparing what columns say with what rows say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa

from llm_integrations.core.arrow import ArrowPlan
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.validation import compile_validator
from tests.support.arrow_fuzz import Case, is_readable

__all__ = ["BOTH", "Nulls", "column", "disagreement", "hows", "judged"]

Nulls = Literal["strict", "absent"]
BOTH: tuple[Nulls, Nulls] = ("strict", "absent")


def judged(
    schema: Any,
    table: pa.Table,
    *,
    nulls: Nulls = "absent",
    resources: Mapping[str, Any] | None = None,
    regex: Literal["linear", "bounded"] = "linear",
) -> list[bool]:
    """The mask, after making sure that the rows get the same verdicts."""
    options = ValidationOptions(nulls=nulls, regex=regex)
    validator = compile_validator(schema, options=options, resources=resources)
    mask: list[bool] = ArrowPlan(validator).mask(table).to_pylist()
    assert mask == [validator.is_valid(row) for row in table.to_pylist(maps_as_pydicts="strict")]
    return mask


def column(schema: Any, values: Any, kind: Any = None, *, nulls: Nulls = "strict") -> list[bool]:
    """``judged`` for a table of one column, ``x``, that must be there."""
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)
    body = {"properties": {"x": schema}}
    if isinstance(schema, dict) and "$schema" in schema:
        body = {"$schema": schema["$schema"], "properties": {"x": _without_dialect(schema)}}
    return judged(body, pa.table({"x": array}), nulls=nulls)


def hows(schema: Any, kind: Any) -> dict[str, str]:
    """How each keyword about a column ``x`` of this type is judged."""
    plan = ArrowPlan(compile_validator({"properties": {"x": schema}}))
    notes = plan.explain(pa.schema([("x", kind)]))
    return {note.keyword: note.how for note in notes if note.column == "/x"}


def disagreement(case: Case, nulls: Nulls) -> str:
    """Where columns and rows differ, in words; empty if nowhere."""
    options = ValidationOptions(nulls=nulls)
    validator = compile_validator(case.schema, options=options, resources=case.resources)
    plan = ArrowPlan(validator, None, case.json_columns, 1)
    mask = plan.mask(case.table).to_pylist()
    for number, (row, said) in enumerate(zip(case.rows(), mask, strict=True)):
        if said != (is_readable(row) and validator.is_valid(row)):
            return f"nulls={nulls}, row {number}: columns say {said}\n{row}\n{case}"
    return ""


def _without_dialect(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$schema"}
