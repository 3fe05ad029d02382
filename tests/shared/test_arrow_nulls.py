"""Null in a table: a missing property ("absent") or JSON null ("strict"), as rows have it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.support.arrow import BOTH, column, judged

ROW = pa.struct([("a", pa.int64()), ("b", pa.int64())])
NULLS = pa.table({"a": [1, None, 1, None], "b": [1, 1, None, None]})
INTEGERS = {"a": {"type": "integer"}, "b": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "absent", "strict"),
    [
        ({"properties": INTEGERS}, [True] * 4, [True, False, False, False]),
        (
            {"properties": INTEGERS, "required": ["a"]},
            [True, False, True, False],
            [True, False, False, False],
        ),
        (
            {"properties": {"a": {"type": ["integer", "null"]}}, "required": ["a"]},
            [True] * 4,
            [True] * 4,
        ),
        ({"required": ["a"]}, [True] * 4, [True] * 4),
        ({"required": ["zz"]}, [False] * 4, [False] * 4),
        ({"dependentRequired": {"a": ["b"]}}, [True, True, False, True], [True] * 4),
        ({"not": {"required": ["a"]}}, [False, True, False, True], [False] * 4),
        ({"properties": {"a": False}}, [False, True, False, True], [False] * 4),
        ({"additionalProperties": {"type": "integer"}}, [True] * 4, [True, False, False, False]),
    ],
)
def test_null_is_taken_as_the_options_say(
    schema: dict[str, Any], absent: list[bool], strict: list[bool]
) -> None:
    assert judged(schema, NULLS, nulls="absent") == absent
    assert judged(schema, NULLS, nulls="strict") == strict


def test_what_only_a_branch_requires_may_be_read_either_way() -> None:
    """Kept, the null satisfies a branch's ``required``; taken away, ``additionalProperties``."""
    schema = {
        "anyOf": [
            {"required": ["a"], "properties": {"a": {"type": ["integer", "null"]}}},
            {"properties": {"b": {"const": 5}}, "required": ["b"]},
        ],
    }
    assert judged(schema, NULLS) == [True] * 4
    closed = {**schema, "additionalProperties": {"type": "integer"}, "minProperties": 1}
    judged(closed, NULLS)
    judged({"oneOf": schema["anyOf"]}, NULLS)
    judged({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, NULLS)


def test_nulls_in_lists_are_json_null_and_those_of_their_objects_are_not() -> None:
    numbers = pa.array([[1, None], [None], [1]])
    assert column({"items": {"type": "integer"}}, numbers, nulls="absent") == [False, False, True]
    objects = [[{"a": 1, "b": None}], [{"a": None, "b": None}], [None], []]
    schema = {"items": {"type": "object", "properties": INTEGERS, "required": ["a"]}}
    assert column(schema, objects, pa.list_(ROW), nulls="absent") == [True, False, False, True]


def test_items_at_different_positions_may_require_different_properties() -> None:
    objects = [[{"a": None, "b": 1}] * n for n in range(4)]
    kind = pa.list_(ROW)
    first = {
        "prefixItems": [{"required": ["a"]}],
        "items": {"properties": {"a": {"type": "integer"}}},
    }
    for schema in (
        first,
        {"allOf": [first, {"items": {"properties": INTEGERS}}]},
        {"prefixItems": [{"required": ["a"], "properties": INTEGERS}, {}]},
        {
            "prefixItems": [{"required": ["a"]}],
            "contains": {"properties": {"a": {"type": "integer"}}},
        },
        {
            "prefixItems": [{"required": ["a"]}],
            "contains": {"properties": {"a": {"type": "null"}}, "required": ["b"]},
            "minContains": 2,
        },
    ):
        for nulls in BOTH:
            column(schema, objects, kind, nulls=nulls)


def test_the_rest_of_a_list_is_judged_position_by_position_where_the_nulls_differ() -> None:
    """Another part requires ``a`` of the second item alone, so that only its null is kept."""
    objects = [[{"a": 1, "b": 1}, {"a": None, "b": 1}], [{"a": None, "b": 1}], [{"a": 1, "b": 1}]]
    schema = {
        "items": {"properties": {"a": {"type": "integer"}}},
        "allOf": [{"prefixItems": [{}, {"required": ["a"]}]}],
    }
    assert column(schema, objects, pa.list_(ROW), nulls="absent") == [False, True, True]


def test_whole_objects_are_compared_without_their_missing_properties() -> None:
    objects = [{"a": 1, "b": None}, {"a": 1, "b": 2}, None]
    assert column({"enum": [{"a": 1}]}, objects, ROW, nulls="absent") == [True, False, True]
    assert column({"enum": [{"a": 1}]}, objects, ROW, nulls="strict") == [False, False, False]
    assert column({"enum": [{"a": 1, "b": None}]}, objects, ROW, nulls="strict") == [
        True,
        False,
        False,
    ]
    pairs = [[objects[0], {"a": 1, "b": None}], [objects[0], objects[1]]]
    for nulls in BOTH:
        column({"uniqueItems": True}, pairs, pa.list_(ROW), nulls=nulls)
        column({"unevaluatedProperties": False, "properties": {"a": {}}}, objects, ROW, nulls=nulls)


def test_what_the_engine_is_asked_about_a_part_depends_on_what_the_whole_requires() -> None:
    schema = {
        "allOf": [
            {"properties": {"x": {"required": ["b"]}}},
            {"properties": {"x": {"unevaluatedProperties": {"type": "integer"}}}},
        ]
    }
    table = pa.table({"x": pa.array([{"a": 1, "b": None}, {"a": None, "b": 1}], ROW)})
    assert judged(schema, table) == [False, True]


def test_a_column_of_nothing_but_nulls() -> None:
    table = pa.table({"x": pa.nulls(2), "y": pa.nulls(2, pa.int64()), "z": pa.nulls(2, ROW)})
    for schema in (
        {"properties": {"x": {"type": "integer"}, "y": {"minimum": 1}, "z": {"required": ["a"]}}},
        {"required": ["x"], "properties": {"x": {"type": "null"}}},
        {"required": ["y"], "properties": {"y": {"type": "integer"}}},
        {"properties": {"z": {"enum": [None]}}},
        {"maxProperties": 0},
    ):
        for nulls in BOTH:
            judged(schema, table, nulls=nulls)
