"""NaN and infinity are never valid, wherever they stand; all other numbers are exact."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import jsonschema_rs
import numpy as np
import pytest

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation import ValidationOptions, Validator, compile_validator
from llm_integrations.core.validation.nan_guard import nan_guard

DRAFT4 = "http://json-schema.org/draft-04/schema#"
DRAFT7 = "http://json-schema.org/draft-07/schema#"
WHOLE = {"type": "integer"}
TREE = {"properties": {"next": {"$ref": "#"}}}

LOOKS_AWAY: dict[str, tuple[Any, Any]] = {
    "true": (True, "it"),
    "an empty schema": ({}, "it"),
    "a bound": ({"minimum": 0}, "it"),
    "a closed object or array that may be a number": (
        {"additionalProperties": False, "items": False},
        "it",
    ),
    "a title": ({"title": "anything"}, "it"),
    "several types": ({"type": ["number", "string"]}, "it"),
    "an undeclared property": ({"type": "object"}, {"a": "it"}),
    "deep below an undeclared property": ({"type": "object"}, {"a": [{"b": [["it"]]}]}),
    "a declared property without a schema": ({"properties": {"a": {}}}, {"a": "it"}),
    "a property that may be anything": ({"properties": {"a": True}}, {"a": ["it"]}),
    "a property of an object without a type": ({"required": ["a"]}, {"a": "it"}),
    "an additional property": ({"additionalProperties": {}}, {"a": "it"}),
    "a property by pattern": ({"patternProperties": {"^a": {}}}, {"a": "it"}),
    "an item": ({"type": "array"}, [1, "it"]),
    "an item without a schema": ({"items": {}}, ["it"]),
    "a first item": ({"prefixItems": [{"type": "string"}]}, ["x", "it"]),
    "a first item without a schema": ({"prefixItems": [True]}, ["it"]),
    "a first item in draft 7": ({"$schema": DRAFT7, "items": [{}, {"type": "string"}]}, ["it"]),
    "an additional item in draft 7": ({"$schema": DRAFT7, "items": [{}]}, [1, "it"]),
    "draft 4": ({"$schema": DRAFT4, "type": "object"}, {"a": "it"}),
    "a const in draft 4, where it means nothing": ({"$schema": DRAFT4, "const": 1}, "it"),
    "not": ({"not": {"type": "string"}}, "it"),
    "not, nested": ({"not": {"not": {"minimum": 0}}}, "it"),
    "not number": ({"not": {"type": "number"}}, "it"),
    "if": ({"if": {"type": "number"}, "then": {"minimum": 0}}, "it"),
    "one of": ({"oneOf": [{"type": "string"}, {"minimum": 0}]}, "it"),
    "one of many": ({"oneOf": [{"type": "string"}, {"type": "object"}]}, {"a": "it"}),
    "any of": ({"anyOf": [{"type": "string"}, {}]}, "it"),
    "any of, beside properties": (
        {"properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"a": "it"},
    ),
    "all of": ({"allOf": [{"minimum": 0}, {"maximum": 9}]}, "it"),
    "contains": ({"contains": {"type": "string"}}, ["x", "it"]),
    "dependent schemas": ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1, "b": "it"}),
    "unevaluated properties": ({"unevaluatedProperties": {}}, {"a": "it"}),
    "a definition": ({"$ref": "#/$defs/a", "$defs": {"a": {"minimum": 0}}}, "it"),
    "a definition that is true": ({"$ref": "#/$defs/a", "$defs": {"a": True}}, ["it"]),
    "a definition inside a part": (
        {"properties": {"a": {"maximum": 1}, "b": {"$ref": "#/properties/a"}}},
        {"b": "it"},
    ),
    "a definition with an identity": (
        {"$ref": "#x", "$defs": {"a": {"$anchor": "x", "minimum": 0}}},
        "it",
    ),
    "a recursive schema": (TREE, {"next": {"next": {"other": "it"}}}),
    "objects of a list": (
        {"items": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}},
        [{"a": 1}, {"a": 1, "b": "it"}],
    ),
    "objects of a list with several required properties": (
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"a": WHOLE, "b": WHOLE},
                "required": ["a", "b"],
            },
        },
        [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": "it"}],
    ),
    "objects of a list, by definition": (
        {
            "items": {"$ref": "#/$defs/o"},
            "$defs": {
                "o": {
                    "type": "object",
                    "properties": {"a": WHOLE, "b": WHOLE, "c": WHOLE},
                    "required": ["a", "b"],
                }
            },
        },
        [{"a": 1, "b": 1}, {"a": 1, "b": 1, "d": ["it"]}],
    ),
    "a required property of a list's objects that is not declared": (
        {"items": {"type": "object", "properties": {"a": WHOLE}, "required": ["a", "b"]}},
        [{"a": 1, "b": "it"}],
    ),
}


def put(value: Any, number: Any) -> Any:
    """The data with a number in the place of "it"."""
    if isinstance(value, dict):
        return {key: put(item, number) for key, item in value.items()}
    if isinstance(value, list):
        return [put(item, number) for item in value]
    return number if value == "it" else value


def verdicts(validator: Validator, value: Any) -> set[bool]:
    return {validator.is_valid(value), validator.validate(value).is_valid}


@pytest.mark.parametrize("case", LOOKS_AWAY)
def test_nan_is_invalid_also_where_no_type_is_asked_for(case: str) -> None:
    schema, data = LOOKS_AWAY[case]
    for options in (ValidationOptions(), ValidationOptions(nulls="absent", regex="bounded")):
        validator = compile_validator(schema, options=options)
        for number in (math.nan, math.inf, -math.inf, Decimal("NaN"), np.float32("nan")):
            assert verdicts(validator, put(data, number)) == {False}


@pytest.mark.parametrize("case", LOOKS_AWAY)
def test_other_values_in_the_same_place_are_judged_as_the_bare_engine_does(case: str) -> None:
    schema, data = LOOKS_AWAY[case]
    validator = compile_validator(schema)
    bare = jsonschema_rs.validator_for(schema, offline=True, validate_formats=True)
    for other in (5, -5.5, "x", None, [], {"a": [1]}, [[[{"b": None}]]]):
        value = put(data, other)
        assert verdicts(validator, value) == {bare.is_valid(value)}


def test_the_violation_says_where_the_nan_is() -> None:
    validator = compile_validator({"properties": {"rows": {"type": "array"}}})
    (error,) = validator.validate({"rows": [1.0, {"rows": math.nan}]}).errors
    assert (error.path, error.keyword) == ("/rows/1/rows", "type")
    assert error.message == "is NaN or infinite, which no JSON number is"


def test_nan_is_one_violation_though_the_type_is_wrong_as_well() -> None:
    validator = compile_validator({"properties": {"a": {"type": "number", "minimum": 0}}})
    assert len(validator.validate({"a": math.nan}).errors) == 1


def test_nan_deep_below_an_undeclared_property_is_found() -> None:
    value: Any = math.nan
    for _ in range(100):
        value = [value]
    assert not compile_validator({"type": "object"}).is_valid({"a": value})


def test_deep_data_is_not_approved_because_the_search_for_nan_gave_up() -> None:
    """A definition is used where it must accept, and under ``not``: it has to judge alike."""
    deep: dict[str, Any] = {"type": "integer"}
    value: Any = 1
    for _ in range(10):
        deep, value = {"type": "array", "items": deep}, [value]
    schema = {
        "type": "object",
        "properties": {"a": deep, "b": {"$ref": "#/$defs/any-object"}},
        "additionalProperties": False,
        "not": {"$ref": "#/$defs/any-object"},
        "$defs": {"any-object": {"type": "object"}},
    }
    assert verdicts(compile_validator(schema), {"a": value}) == {False}
    del schema["not"]
    assert verdicts(compile_validator(schema), {"a": value}) == {True}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "number"}}, "additionalProperties": False},
        {"type": "array", "items": {"type": ["integer", "null"]}},
        {"enum": [1, "a", None]},
        {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/n"}], "$defs": {"n": {"type": "null"}}},
        {"oneOf": [{"type": "string"}, {"const": 5}]},
        False,
    ],
)
def test_a_schema_that_looks_everywhere_costs_nothing_more(schema: Any) -> None:
    assert nan_guard(Documents(schema)) is None
    evaluator = compile_validator(schema).compile()
    assert evaluator.fast == evaluator.compiled.accepts


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"maximum": 2**53}, 2**53 + 1, False),
        ({"const": 2**63 + 1}, 2**63 + 1, True),
        ({"const": 2**63 + 1}, 2**63, False),
        ({"type": "integer"}, 10**400, True),
        ({"type": "integer"}, 10**4000, True),
        ({"maximum": 10**30}, 10**40, False),
        ({"multipleOf": 0.01}, 0.07, True),
        ({"multipleOf": 0.01}, 0.075, False),
        ({"multipleOf": 0.1}, 1.1, True),
        ({"type": "integer"}, 1.0, True),
        ({"const": 1}, 1.0, True),
        ({"const": 1}, True, False),
        ({"enum": [0]}, False, False),
        ({"type": "number"}, True, False),
        ({"const": 0}, -0.0, True),
        ({"uniqueItems": True}, [1, 1.0], False),
        ({"uniqueItems": True}, [1, True], True),
        ({"minimum": 0.1}, Decimal("0.1"), True),
        ({"type": "integer"}, Decimal("2.5"), False),
    ],
)
def test_numbers_are_compared_exactly(schema: dict[str, Any], value: Any, valid: bool) -> None:
    assert verdicts(compile_validator(schema), value) == {valid}
    assert verdicts(compile_validator({"items": schema}), (value,)) == {valid}
