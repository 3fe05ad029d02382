"""References on columns: followed where they lead to, or left to the engine."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import compile_arrow
from tests.support.arrow import BOTH, column, hows, judged

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TABLE = pa.table({"x": [0, 5, None], "y": ["a", "", None]})


@pytest.mark.parametrize(
    ("schema", "vectorised"),
    [
        ({"properties": {"x": {"$ref": "#/$defs/p"}}, "$defs": {"p": {"minimum": 1}}}, True),
        (
            {"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"properties": {"x": {"minimum": 1}}}}},
            True,
        ),
        ({"properties": {"x": {"minimum": 1}, "y": {"$ref": "#/properties/x"}}}, True),
        ({"allOf": [{"$ref": "#/allOf/1"}, {"properties": {"x": {"minimum": 1}}}]}, True),
        (
            {
                "properties": {"x": {"$ref": "#/$defs/p", "maximum": 3}},
                "$defs": {"p": {"minimum": 1}},
            },
            True,
        ),
        (
            {
                "$schema": DRAFT_7,
                "properties": {"x": {"$ref": "#/definitions/p", "maximum": 3}},
                "definitions": {"p": {"minimum": 1}},
            },
            True,
        ),
        (
            {"properties": {"x": {"$ref": "#p"}}, "$defs": {"p": {"$anchor": "p", "minimum": 1}}},
            False,
        ),
        ({"properties": {"x": {"$ref": "other.json"}}}, True),
        ({"properties": {"x": {"$ref": "other.json#/$defs/q"}}}, True),
        ({"properties": {"x": {"$ref": "deep.json"}}}, True),
        ({"$id": "http://x.example/s", "properties": {"x": {"$ref": "other.json"}}}, False),
        (
            {
                "$id": "http://x.example/s",
                "properties": {"x": {"$ref": "#/$defs/p"}},
                "$defs": {"p": {"minimum": 1}},
            },
            True,
        ),
        (
            {
                "properties": {"x": {"$ref": "http://x.example/p"}},
                "$defs": {"p": {"$id": "http://x.example/p", "minimum": 1}},
            },
            False,
        ),
        (
            {
                "properties": {"x": {"$ref": "#/$defs/p/$defs/q"}},
                "$defs": {"p": {"$id": "http://x.example/p", "$defs": {"q": {"minimum": 1}}}},
            },
            False,
        ),
        (
            {
                "properties": {"x": {"$dynamicRef": "#p"}},
                "$defs": {"p": {"$dynamicAnchor": "p", "minimum": 1}},
            },
            False,
        ),
    ],
)
def test_a_reference_judges_as_what_it_leads_to(schema: dict[str, Any], vectorised: bool) -> None:
    resources: dict[str, Any] = {
        "other.json": {"minimum": 1, "$defs": {"q": {"minimum": 2}}},
        "deep.json": {
            "allOf": [{"$ref": "#/$defs/r"}, {"$ref": "other.json"}],
            "$defs": {"r": {"maximum": 4}},
        },
    }
    for nulls in BOTH:
        mask = judged(schema, TABLE, nulls=nulls, resources=resources)
        assert mask[0] is False
    plan = compile_arrow(schema, resources=resources, schema=TABLE.schema)
    assert plan.explain().is_vectorised is vectorised


def test_a_schema_of_another_draft_among_the_references_is_left_to_the_engine() -> None:
    resources = {"old.json": {"$schema": DRAFT_4, "minimum": 1, "exclusiveMinimum": True}}
    schema = {"properties": {"x": {"$ref": "old.json"}}}
    assert judged(schema, pa.table({"x": [0, 1, 2]}), resources=resources) == [False, False, True]


def test_a_recursive_schema_is_followed_as_deep_as_the_type_goes() -> None:
    leaf = pa.struct([("value", pa.int64())])
    kind = pa.struct([("value", pa.int64()), ("next", leaf)])
    schema = {
        "properties": {"x": {"$ref": "#/$defs/node"}},
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"value": {"minimum": 0}, "next": {"$ref": "#/$defs/node"}},
            }
        },
    }
    values = [
        {"value": 1, "next": {"value": -1}},
        {"value": 1, "next": None},
        {"value": 2, "next": {"value": 0}},
    ]
    table = pa.table({"x": pa.array(values, kind)})
    assert judged(schema, table) == [False, True, True]
    plan = compile_arrow(schema, schema=table.schema)
    assert plan.explain().is_vectorised


def test_a_schema_that_only_refers_to_itself_is_left_to_the_engine() -> None:
    schema = {"anyOf": [{"minimum": 5}, {"not": {"$ref": "#/properties/x/anyOf/0"}}]}
    assert column(schema, [1, 6]) == [True, True]


def test_references_that_multiply_without_end_are_left_to_the_engine() -> None:
    definitions: dict[str, Any] = {"r0": {"minimum": 1}}
    for number in range(1, 18):
        below = {"$ref": f"#/$defs/r{number - 1}"}
        definitions[f"r{number}"] = {"anyOf": [{"allOf": [below, {"maximum": number}]}, below]}
    schema = {"properties": {"x": {"$ref": "#/$defs/r17"}}, "$defs": definitions}
    table = pa.table({"x": [0, 1, 5]})
    plan = compile_arrow(schema, schema=table.schema)
    assert plan.mask(table).to_pylist() == [False, True, True]
    assert any("multiply" in note.why for note in plan.explain())


def test_a_subschema_with_an_identity_of_its_own_is_left_to_the_engine() -> None:
    inner = {"$id": "http://x.example/inner", "$ref": "#/$defs/p", "$defs": {"p": {"minimum": 1}}}
    assert column(inner, [0, 1]) == [False, True]
    assert set(hows(inner, pa.int64()).values()) == {"by distinct value"}


def test_a_property_called_id_is_no_identity() -> None:
    schema = {"$schema": DRAFT_4, "properties": {"id": {"type": "integer"}}}
    plan = compile_arrow(schema, schema=pa.schema([("id", pa.int64())]))
    assert plan.explain().is_vectorised


def test_an_unknown_dialect_is_judged_by_rows() -> None:
    from llm_integrations.core.errors import InvalidSchema

    try:
        plan = compile_arrow({"$schema": "http://x.example/my-dialect", "type": "object"})
    except InvalidSchema:
        return
    explanation = plan.explain(TABLE.schema)
    assert [note.how for note in explanation] == ["by row"]
    assert plan.mask(TABLE).to_pylist() == [True] * 3
