"""Rows that fail by the same keywords are put into words once, in the words of each."""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest

from llm_integrations.core.arrow import ArrowPlan, compile_arrow
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.validation import compile_validator
from llm_integrations.core.validation.evaluator import Evaluator
from tests.support.arrow import BOTH
from tests.support.arrow_fuzz import random_case

GROUPED = "llm_integrations.core.arrow.run.explaining._WORTH_GROUPING"


def mixed(table: pa.Table, rng: random.Random, rows: int = 60) -> pa.Table:
    """Rows whose cells come from anywhere in their column: many fail alike."""
    columns = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        places = [rng.randrange(table.num_rows) for _ in range(rows)]
        columns[name] = column.combine_chunks().take(pa.array(places))
    return pa.table(columns)


def explained(plan: ArrowPlan, table: pa.Table, least: int) -> Any:
    with patch(GROUPED, least):
        report = plan.validate(table)
    return report.failures.to_pylist(), dict(report.reasons)


def test_words_are_those_of_the_rows_by_random_schemas() -> None:
    compared = 0
    for seed in range(50):
        case = random_case(seed)
        try:
            table = mixed(case.table, random.Random(seed))
        except (pa.ArrowNotImplementedError, ValueError):
            continue
        for nulls in BOTH:
            options = ValidationOptions(nulls=nulls)
            try:
                validator = compile_validator(
                    case.schema, options=options, resources=case.resources
                )
            except InvalidSchema:
                continue
            plan = ArrowPlan(validator, None, case.json_columns, 1)
            one_by_one = explained(plan, table, 10**9)
            assert explained(plan, table, 1) == one_by_one, f"seed {seed}, {nulls}"
            compared += bool(one_by_one[0])
    assert compared > 30


SCHEMA = {
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120, "multipleOf": 2},
        "name": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
        "score": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "kind": {"enum": ["a", "b"]},
        "tags": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True},
        "deep": {"properties": {"x": {"minimum": 0}}, "required": ["x"]},
    },
    "required": ["age", "name"],
}


def rows(number: int) -> pa.Table:
    rng = np.random.default_rng(5)

    def some(*values: Any) -> list[Any]:
        return [values[index] for index in rng.integers(0, len(values), number)]

    return pa.table(
        {
            "age": pa.array(some(-1, -2, 2, 121, 122, None), pa.int64()),
            "name": some("a", "ab", "abcde", "A", "ABCDE", None),
            "score": some(0.0, 0.5, 2.0, float("nan"), float("inf"), None),
            "kind": some("a", "c", None),
            "tags": some([], ["x"], ["x", "x"], ["x", "y", "z"], ["x", "x", "x"], None),
            "deep": pa.array(some({"x": 1}, {"x": -1}, {"x": None}, None)),
        }
    )


@pytest.mark.parametrize("nulls", BOTH)
def test_each_bound_null_and_number_without_end_has_its_own_words(nulls: Any) -> None:
    plan = compile_arrow(SCHEMA, options=ValidationOptions(nulls=nulls))
    table = rows(2000)
    found = explained(plan, table, 1)
    assert found == explained(plan, table, 10**9)
    report = plan.validate(table)
    for number, errors in list(report.violations())[:300]:
        assert errors == plan.validator.validate(table.slice(number, 1).to_pylist()[0]).errors


def test_values_are_shown_of_each_row() -> None:
    options = ValidationOptions(show_values=True)
    plan = compile_arrow({"properties": {"n": {"minimum": 0}}}, options=options)
    report = plan.validate(pa.table({"n": list(range(-40, 0))}))
    assert len({errors[0].message for _, errors in report.violations()}) == 40


def test_like_rows_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    explain = Evaluator.explain

    def counted(self: Any, value: Any, **options: Any) -> Any:
        asked.append(value)
        return explain(self, value, **options)

    monkeypatch.setattr(Evaluator, "explain", counted)
    plan = compile_arrow({"properties": {"n": {"minimum": 0}, "t": {"maxLength": 2}}})
    table = pa.table({"n": list(range(-500, 500)), "t": ["ab", "abc"] * 500})
    report = plan.validate(table)
    assert report.invalid == 750
    assert len(asked) == 3


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["n", "nothing"]},
        {"properties": {"n": {"type": "string", "enum": ["a"]}, "t": {"maxLength": 2}}},
        {"properties": {"n": False, "t": {"maxLength": 2}}},
        {"properties": {"t": {}}, "additionalProperties": False, "required": ["a", "b"]},
    ],
    ids=["a column that is not there", "of another type", "not allowed", "not declared"],
)
def test_what_condemns_every_row_is_looked_into_once(
    schema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"n": list(range(1000)), "t": ["ab", "abc"] * 500})
    plan = compile_arrow(schema)
    one_by_one = explained(plan, table, 10**9)
    asked: list[Any] = []
    explain = Evaluator.explain

    def counted(self: Any, value: Any, **options: Any) -> Any:
        asked.append(value)
        return explain(self, value, **options)

    monkeypatch.setattr(Evaluator, "explain", counted)
    assert explained(plan, table, 16) == one_by_one
    assert len(one_by_one[0]) == 1000
    assert len(asked) <= 2
