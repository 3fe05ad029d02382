"""A map column is an object, at the speed of its columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import compile_arrow
from llm_integrations.core.arrow.kernels import fallback_nodes
from tests.support.arrow import BOTH, column, hows

COUNTS = pa.map_(pa.string(), pa.int64())
ROWS: list[Any] = [[("a", 1)], [("a", 2), ("b", 0)], [], [("b", None)], [("é", 3), ("x1", 4)]]
OBJECT = {"type": "object", "additionalProperties": {"type": "integer"}}


def test_a_map_of_integers_satisfies_an_object_of_integers() -> None:
    assert column(OBJECT, ROWS[:3], COUNTS) == [True] * 3
    assert column({"type": "array"}, ROWS[:3], COUNTS) == [False] * 3
    texts = pa.map_(pa.string(), pa.string())
    assert column(OBJECT, [[("a", "1")], []], texts) == [False, True]


@pytest.mark.parametrize(
    "schema",
    [
        OBJECT,
        {"required": ["a"]},
        {"required": ["b"], "properties": {"b": {"type": ["integer", "null"]}}},
        {"minProperties": 1, "maxProperties": 1},
        {"properties": {"a": {"maximum": 1}}, "additionalProperties": False},
        {"patternProperties": {"^[ab]$": {"maximum": 1}}, "additionalProperties": {"minimum": 4}},
        {"propertyNames": {"maxLength": 1}},
        {"dependentRequired": {"a": ["b"]}},
        {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["x1"]}},
        {"properties": {"a": False}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("nulls", BOTH)
def test_keywords_of_objects_are_vectorised_over_maps(schema: Any, nulls: Any) -> None:
    array = pa.array([*ROWS, None], COUNTS)
    column(schema, array, nulls=nulls)
    column(schema, pa.chunked_array([array[1:], array[:3]]), nulls=nulls)
    column(schema, pa.array([*ROWS, None], pa.map_(pa.large_string(), pa.int8())), nulls=nulls)
    assert set(hows(schema, COUNTS).values()) <= {"vectorised", "decided"}


def test_valid_maps_become_no_python_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_array: Any) -> list[Any]:
        raise AssertionError("a value was made")

    monkeypatch.setattr(fallback_nodes, "python_values", refuse)
    table = pa.table({"x": pa.array([[(f"k{n}", n)] for n in range(1000)], COUNTS)})
    assert compile_arrow({"properties": {"x": OBJECT}}).validate(table).is_valid


@pytest.mark.parametrize("keys", [pa.int32(), pa.bool_(), pa.dictionary(pa.int8(), pa.string())])
def test_keys_are_judged_as_the_text_that_json_has_for_them(keys: Any) -> None:
    key = {"int32": 1, "bool": True}.get(str(keys), "1")
    table = pa.table({"x": pa.array([[(key, 1)], [(key, "bad")][:0]], pa.map_(keys, pa.int64()))})
    names = {"additionalProperties": False, "properties": {"1": True, "true": True}}
    assert compile_arrow({"properties": {"x": names}}).mask(table).to_pylist() == [True, True]
    required = {"properties": {"x": {"minProperties": 1}}}
    assert compile_arrow(required).mask(table).to_pylist() == [True, False]


def test_of_a_key_that_stands_twice_the_last_value_counts_as_in_json() -> None:
    twice: list[Any] = [None, [("a", "x"), ("b", 1), ("a", 2)], [("a", 2), ("a", "x")], [("c", 1)]]
    for rows in (twice, twice[1:]):
        texts = [r and [(k, str(v)) for k, v in r] for r in rows]
        table = pa.table({"x": pa.array(texts, pa.map_(pa.string(), pa.string()))})
        body = {"properties": {"x": {"additionalProperties": {"pattern": "^[0-9]$"}}}}
        report = compile_arrow(body).validate(table)
        assert [number for number, _ in report.violations()] == [len(rows) - 2]
        least = {"properties": {"x": {"minProperties": 2}}}
        expected = [True, True, False, False][-len(rows) :]
        assert compile_arrow(least).mask(table).to_pylist() == expected


def test_maps_within_lists_and_structs_are_objects_and_their_reasons_name_no_key() -> None:
    kind = pa.list_(pa.struct([("args", COUNTS)]))
    table = pa.table({"calls": pa.array([[{"args": [("a", 1)]}, {"args": [("b", -1)]}]], kind)})
    call = {"properties": {"args": {"additionalProperties": {"minimum": 0}}}}
    report = compile_arrow({"properties": {"calls": {"items": call}}}).validate(table)
    ((_, violations),) = report.violations()
    assert [v.path for v in violations] == ["/calls/1/args/*"]


def test_text_that_is_json_is_read_within_maps() -> None:
    kind = pa.map_(pa.string(), pa.string())
    rows = [[("a", "[1]")], [("a", "[x")], [("b", '["t"]')], []]
    table = pa.table({"x": pa.array(rows, kind)})
    lists = {"additionalProperties": {"items": {"type": "integer"}}}
    plan = compile_arrow({"properties": {"x": lists}}, json_columns=["/x/*"])
    report = plan.validate(table)
    assert report.mask.to_pylist() == [True, False, False, True]
    assert {str(reason) for reason in report.reasons} == {"type at /x/*", "type at /x/*/*"}
