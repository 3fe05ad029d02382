"""``nulls="absent"``: null in an optional property is a missing one. ``"strict"``: null is null."""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import Any

import pytest

from llm_integrations.core.validation import ValidationOptions, Validator, compile_validator

FLIGHT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "carrier": {"type": "string"},
        "delay": {"type": "number"},
        "tail": {"type": ["string", "null"]},
        "origin": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "gate": {"type": "integer"}},
            "required": ["code"],
        },
        "stops": {
            "type": "array",
            "items": {"type": "object", "properties": {"at": {"type": "string"}}},
        },
    },
    "required": ["carrier", "tail"],
}
OPTIONAL_INNER: dict[str, Any] = {
    "type": "object",
    "properties": {"inner": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}]}},
    "$defs": {
        "Inner": {
            "type": "object",
            "properties": {"x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
            "required": ["x"],
        }
    },
}
EITHER: dict[str, Any] = {
    "properties": {"email": {"type": "string"}, "phone": {"type": "string"}},
    "anyOf": [{"required": ["email"]}, {"required": ["phone"]}],
}
PETS: dict[str, Any] = {
    "oneOf": [
        {
            "properties": {"kind": {"const": "cat"}, "claws": {"type": "integer"}},
            "required": ["kind", "claws"],
            "additionalProperties": False,
        },
        {
            "properties": {"kind": {"const": "dog"}, "bark": {"type": ["string", "null"]}},
            "required": ["kind", "bark"],
            "additionalProperties": False,
        },
    ]
}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "child": {"$ref": "#"}},
}

ABSENT: list[tuple[dict[str, Any], Any, bool]] = [
    # An optional null is missing, a required one must be admitted.
    (FLIGHT, {"carrier": "UA", "tail": None, "delay": None}, True),
    (FLIGHT, {"carrier": "UA", "tail": None, "delay": None, "undeclared": None}, True),
    (FLIGHT, {"carrier": None, "tail": None}, False),
    (FLIGHT, {"carrier": "UA"}, False),
    # On every level, and in the objects of arrays.
    (FLIGHT, {"carrier": "UA", "tail": "N1", "origin": {"code": "EWR", "gate": None}}, True),
    (FLIGHT, {"carrier": "UA", "tail": "N1", "origin": {"code": None, "gate": 1}}, False),
    (FLIGHT, {"carrier": "UA", "tail": "N1", "origin": None}, True),
    (FLIGHT, {"carrier": "UA", "tail": "N1", "stops": [{"at": None}, {"at": "x"}]}, True),
    # A null in an array is no property: it stays.
    (FLIGHT, {"carrier": "UA", "tail": "N1", "stops": [None]}, False),
    ({"items": {"type": ["string", "null"]}}, [None, "a"], True),
    ({"items": {"type": "string"}}, [None], False),
    ({"type": "object"}, None, False),
    # Missing means missing for every keyword.
    ({"minProperties": 2}, {"a": None, "b": 1}, False),
    ({"maxProperties": 1}, {"a": None, "b": 1}, True),
    ({"dependentRequired": {"a": ["b"]}}, {"a": None}, True),
    ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": None}, False),
    ({"additionalProperties": False, "properties": {"a": {}}}, {"a": 1, "b": None}, True),
    ({"additionalProperties": {"type": "string"}}, {"a": None}, True),
    ({"patternProperties": {"^a": {"type": "string"}}}, {"ab": None}, True),
    ({"propertyNames": {"maxLength": 1}}, {"long": None}, True),
    ({"not": {"required": ["a"]}}, {"a": None}, True),
    ({"if": {"required": ["a"]}, "then": False}, {"a": None}, True),
    ({"const": {"a": 1}}, {"a": 1, "b": None}, True),
    ({"enum": [{"a": 1, "b": None}]}, {"a": 1, "b": None}, False),
    ({"unevaluatedProperties": False}, {"a": None}, True),
    # What a branch requires may be read either way.
    (EITHER, {"email": "a@b.c", "phone": None}, True),
    (EITHER, {"email": None, "phone": None}, False),
    (OPTIONAL_INNER, {"inner": {"x": None}}, True),
    (OPTIONAL_INNER, {"inner": None}, True),
    (OPTIONAL_INNER, {"inner": {"x": "text"}}, False),
    (PETS, {"kind": "cat", "claws": 18, "bark": None}, True),
    (PETS, {"kind": "dog", "claws": None, "bark": None}, True),
    (PETS, {"kind": "cat", "claws": None, "bark": "loud"}, False),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1, "b": None}, True),
    # Requirements come together from all parts that apply.
    (
        {"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "string"}}}]},
        {"a": None},
        False,
    ),
    ({"allOf": [{"required": ["a"]}]}, {"a": None}, True),
    ({"$ref": "#/$defs/r", "$defs": {"r": {"required": ["a"]}}}, {"a": None}, True),
    (
        {"properties": {"a": {"$ref": "#/$defs/r"}}, "$defs": {"r": {"required": ["b"]}}},
        {"a": {}},
        False,
    ),
    (
        {"additionalProperties": {"required": ["a"], "properties": {"a": {"type": "null"}}}},
        {"x": {"a": None}},
        True,
    ),
    (
        {"prefixItems": [{"required": ["a"]}, {"minProperties": 1}]},
        [{"a": None}, {"a": None}],
        False,
    ),
    ({"prefixItems": [{"required": ["a"]}, {}]}, [{"a": None}, {"a": None}], True),
    # Recursive schemas, too.
    (TREE, {"label": None, "child": {"label": None, "child": {"label": "x", "child": None}}}, True),
    (TREE, {"child": {"child": {"label": 5}}}, False),
]


def absent(schema: dict[str, Any], **options: Any) -> Validator:
    return compile_validator(schema, options=ValidationOptions(nulls="absent", **options))


@pytest.mark.parametrize(("schema", "data", "valid"), ABSENT)
def test_null_in_an_optional_property_counts_as_missing(
    schema: dict[str, Any], data: Any, valid: bool
) -> None:
    validator = absent(schema)
    assert validator.is_valid(data) is valid
    assert validator.validate(data).is_valid is valid


@pytest.mark.parametrize(("schema", "data", "valid"), ABSENT)
def test_it_is_the_same_for_objects_that_must_be_normalised_first(
    schema: dict[str, Any], data: Any, valid: bool
) -> None:
    assert absent(schema).validate(mapped(data)).is_valid is valid


def mapped(data: Any) -> Any:
    """The same data in Python types that the engine does not take."""
    if isinstance(data, dict):
        return MappingProxyType({key: mapped(item) for key, item in data.items()})
    if isinstance(data, list):
        return deque(mapped(item) for item in data)
    return data


def test_strict_takes_null_as_null() -> None:
    strict = compile_validator(FLIGHT)
    assert not strict.is_valid({"carrier": "UA", "tail": None, "delay": None})
    assert strict.is_valid({"carrier": "UA", "tail": None})


def test_the_report_says_how_null_was_taken() -> None:
    for data in ({"carrier": "UA", "tail": None}, {}):
        assert absent(FLIGHT).validate(data).nulls == "absent"
        assert compile_validator(FLIGHT).validate(data).nulls == "strict"


def test_a_required_null_is_reported_as_null_and_not_as_missing() -> None:
    (error,) = absent(FLIGHT).validate({"carrier": None, "tail": None}).errors
    assert (error.path, error.message) == ("/carrier", "is null, not a string")


def test_the_data_keeps_its_nulls() -> None:
    data = {"carrier": "UA", "tail": None, "delay": None, "stops": [{"at": None}]}
    assert absent(FLIGHT).is_valid(data)
    assert data == {"carrier": "UA", "tail": None, "delay": None, "stops": [{"at": None}]}


def test_nulls_of_referenced_schemas_count_as_well() -> None:
    validator = compile_validator(
        {"properties": {"origin": {"$ref": "airport.json"}}},
        resources={"airport.json": FLIGHT["properties"]["origin"]},
        options=ValidationOptions(nulls="absent"),
    )
    assert validator.is_valid({"origin": {"code": "EWR", "gate": None}})
    assert not validator.is_valid({"origin": {"code": None, "gate": 1}})


def test_undecided_nulls_in_one_value_are_all_read_the_same_way() -> None:
    """The limit of the rule: each object alone would be valid, one by keeping, one by dropping."""
    both = {"type": "array", "items": {"anyOf": [OPTIONAL_INNER["$defs"]["Inner"], PETS]}}
    keeping, dropping = {"x": None}, {"kind": "cat", "claws": 18, "bark": None}
    assert absent(both).is_valid([keeping])
    assert absent(both).is_valid([dropping])
    assert not absent(both).is_valid([keeping, dropping])
