"""Bad lines that fail alike are put into words once, in the words of each."""

from __future__ import annotations

import json
import random
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import alike_rows
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, SchemaValidationError
from llm_integrations.core.tables.line_block import LineBlock
from llm_integrations.core.validation import Validator, compile_validator
from llm_integrations.core.validation.evaluator import Evaluator
from llm_integrations.datasets.run.lines import JudgedLines, LineJudge
from tests.support.arrow_fuzz import random_case

SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120, "multipleOf": 2},
        "name": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "score": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "kind": {"enum": ["a", "b", 1]},
        "tags": {"type": "array", "minItems": 1},
    },
    "required": ["age", "name"],
    "additionalProperties": False,
}
VALUES: dict[str, list[Any]] = {
    "age": [-1, 2, 121, 122.0, 2**70, None, "2", True],
    "name": ["a", "ab", "AB", "é", None, 1],
    "score": [0, 0.5, 2, 2**53 + 1, 1e300, None],
    "kind": ["a", "c", 1, 1.0, None],
    "tags": [[], ["x"], [{}], "x"],
    "other": [1, None],
}


def lines_of(rows: list[Any]) -> LineBlock:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return LineBlock(data, 0, 0, len(data))


def judged(validator: Validator, block: LineBlock, least: int) -> JudgedLines:
    judge = LineJudge(validator, source="rows.jsonl", raises=False)
    with (
        patch.object(alike_rows, "_WORTH_GROUPING", least),
        patch.object(alike_rows, "_WORTH_COMPILING", least),
    ):
        return judge.examine(block, 0)


def assert_same_words(validator: Validator, rows: list[Any]) -> int:
    block = lines_of(rows)
    alone, together = judged(validator, block, 10**9), judged(validator, block, 1)
    assert together.aside.columns | {"at": ""} == alone.aside.columns | {"at": ""}
    assert together.count == alone.count
    assert (together.spans == alone.spans).all()
    return alone.count.invalid


def random_rows(number: int, seed: int) -> list[dict[str, Any]]:
    source = random.Random(seed)
    return [
        {name: source.choice(some) for name, some in VALUES.items() if source.random() < 0.7}
        for _ in range(number)
    ]


@pytest.mark.parametrize("nulls", ["strict", "absent"])
def test_each_bound_null_number_and_missing_name_has_its_own_words(nulls: Any) -> None:
    validator = compile_validator(SCHEMA, options=ValidationOptions(nulls=nulls))
    assert assert_same_words(validator, random_rows(400, 3)) > 300
    # Of the few kinds of rows that a file mostly has, so that there are plans for all of them.
    few = [row for row in random_rows(20_000, 4) if row.keys() == {"age", "name", "score"}]
    assert assert_same_words(validator, few) > 100


def test_words_are_those_of_the_lines_by_random_schemas() -> None:
    compared = 0
    for seed in range(60):
        case = random_case(seed)
        try:
            rows = case.table.to_pylist() * 8
            lines_of(rows)
            validator = compile_validator(case.schema, resources=case.resources)
        except (InvalidSchema, TypeError, ValueError, pa.ArrowException):
            continue
        compared += bool(assert_same_words(validator, rows))
    assert compared > 15


def test_like_lines_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    explain = Evaluator.explain

    def counted(self: Any, value: Any, **options: Any) -> Any:
        asked.append(value)
        return explain(self, value, **options)

    monkeypatch.setattr(Evaluator, "explain", counted)
    validator = compile_validator(SCHEMA)
    rows = [{"age": -2 * (n % 2), "name": "ab", "x": n, "score": 2.0 + n} for n in range(5_000)]
    found = LineJudge(validator, source="", raises=False).examine(lines_of(rows), 0)
    assert found.count.invalid == 5_000
    assert len(asked) < 20


def test_the_first_bad_line_is_the_one_that_is_raised() -> None:
    block = lines_of([{"age": 2, "name": "ab"}] * 300 + [[]] + [{"age": "x", "name": "ab"}] * 300)
    judge = LineJudge(compile_validator(SCHEMA), source="", raises=True)
    with pytest.raises(SchemaValidationError, match=r"line 301: .*no object"):
        judge.examine(block, 0)


def test_deep_lines_are_judged_and_kept_as_before() -> None:
    deep: Any = 0
    for _ in range(150):
        deep = [deep]
    validator = compile_validator({"properties": {"n": {"type": "integer"}}})
    rows = [{"n": deep}, {"n": "[" * 150}] * 200
    found = LineJudge(validator, source="", raises=False).examine(lines_of(rows), 0)
    assert found.count.invalid == 400
    assert [json.loads(text) for text in found.aside.data.to_pylist()] == rows
