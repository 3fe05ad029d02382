"""Violations are worded for people, and hold no data unless that was asked for."""

from __future__ import annotations

import io
import json
import logging
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import SchemaValidationError
from llm_integrations.core.validation import (
    ValidationOptions,
    ValidationReport,
    Violation,
    compile_validator,
)
from llm_integrations.core.validation.messages.violations import Describer

SECRET = "4929-canary"
DRAFT7 = "http://json-schema.org/draft-07/schema#"

WORDS: list[tuple[dict[str, Any], Any, str, str, str]] = [
    ({"type": "string"}, 5, "", "type", "is an integer, not a string"),
    ({"type": ["string", "null"]}, 0.5, "", "type", "is a number, not null or a string"),
    ({"type": "object"}, [], "", "type", "is an array, not an object"),
    ({"type": "integer"}, None, "", "type", "is null, not an integer"),
    ({"type": "boolean"}, "true", "", "type", "is a string, not a boolean"),
    ({"required": ["a"]}, {}, "", "required", 'lacks the required property "a"'),
    (
        {"properties": {"a": {}}, "additionalProperties": False},
        {"a": 1, "x": 1, "y": 2},
        "",
        "additionalProperties",
        "has 2 properties that the schema does not allow",
    ),
    (
        {"additionalProperties": False},
        {"x": 1},
        "",
        "additionalProperties",
        "has 1 property that the schema does not allow",
    ),
    (
        {"unevaluatedProperties": False},
        {"x": 1},
        "",
        "unevaluatedProperties",
        "has 1 property that the schema does not allow",
    ),
    (
        {"prefixItems": [{}], "unevaluatedItems": False},
        [1, 2, 3],
        "",
        "unevaluatedItems",
        "has 2 items too many",
    ),
    ({"prefixItems": [{}], "items": False}, [1, 2], "/1", "items", "is not allowed here"),
    (
        {"$schema": DRAFT7, "items": [{}], "additionalItems": False},
        [1, 2],
        "",
        "additionalItems",
        "has more than 1 item",
    ),
    ({"properties": {"a": False}}, {"a": 1}, "/a", "properties", "is not allowed here"),
    ({"enum": ["en", "de"]}, "xx", "", "enum", 'is none of "en", "de"'),
    (
        {"enum": list(range(14))},
        99,
        "",
        "enum",
        "is none of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4 more",
    ),
    ({"const": {"a": 1}}, 5, "", "const", 'is not {"a": 1}'),
    ({"minimum": 3}, 1, "", "minimum", "is less than the minimum 3"),
    ({"maximum": 3}, 9, "", "maximum", "is greater than the maximum 3"),
    ({"exclusiveMinimum": 3}, 3, "", "exclusiveMinimum", "is not greater than 3"),
    ({"exclusiveMaximum": 3}, 3, "", "exclusiveMaximum", "is not less than 3"),
    ({"multipleOf": 0.01}, 0.005, "", "multipleOf", "is not a multiple of 0.01"),
    ({"minLength": 2}, "", "", "minLength", "is shorter than 2 characters"),
    ({"maxLength": 1}, "ab", "", "maxLength", "is longer than 1 character"),
    ({"minItems": 1}, [], "", "minItems", "has fewer than 1 item"),
    ({"maxItems": 2}, [1, 2, 3], "", "maxItems", "has more than 2 items"),
    ({"minProperties": 1}, {}, "", "minProperties", "has fewer than 1 property"),
    ({"maxProperties": 0}, {"a": 1}, "", "maxProperties", "has more than 0 properties"),
    ({"uniqueItems": True}, [1, 1], "", "uniqueItems", "has items that are equal"),
    ({"pattern": "^a$"}, "b", "", "pattern", 'does not match the pattern "^a$"'),
    ({"format": "date"}, "x", "", "format", 'does not have the format "date"'),
    ({"not": {"type": "string"}}, "b", "", "not", "is of a kind that the schema excludes"),
    (
        {"contains": {"type": "string"}},
        [1],
        "",
        "contains",
        "has no item of the kind that it must contain",
    ),
    (
        {"contains": {"type": "string"}, "minContains": 2},
        ["a"],
        "",
        "minContains",
        "has too few items of the kind that it must contain",
    ),
    (
        {"contains": {"type": "string"}, "maxContains": 1},
        ["a", "b"],
        "",
        "maxContains",
        "has too many items of the kind that it may contain",
    ),
    (
        {"dependentRequired": {"a": ["b"]}},
        {"a": 1},
        "",
        "dependentRequired",
        'lacks "b", which another of its properties requires',
    ),
    (
        {"$schema": DRAFT7, "dependencies": {"a": ["b"]}},
        {"a": 1},
        "",
        "dependencies",
        'lacks "b", which another of its properties requires',
    ),
    ({"if": True, "then": False}, 1, "", "then", "is not allowed here"),
    (
        {"propertyNames": {"maxLength": 1}},
        {"ab": 1},
        "",
        "propertyNames",
        "has a property whose name is longer than 1 character",
    ),
    (
        {"properties": {"p": {"propertyNames": {"enum": ["a"]}}}},
        {"p": {"ab": 1}},
        "/p",
        "propertyNames",
        'has a property whose name is none of "a"',
    ),
    (
        {"$schema": DRAFT7, "contentEncoding": "base64"},
        "%%%",
        "",
        "contentEncoding",
        'is not encoded as "base64"',
    ),
    (
        {"$schema": DRAFT7, "contentMediaType": "application/json"},
        "{",
        "",
        "contentMediaType",
        'is not of the media type "application/json"',
    ),
    (
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "x",
        "",
        "anyOf",
        "is a string, not an integer or null",
    ),
    (
        {
            "anyOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}},
                {"type": "null"},
            ]
        },
        {"a": "x"},
        "",
        "anyOf",
        "fits none of 2 alternatives; by the nearest, /a is a string, not an integer",
    ),
    (
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        "",
        "oneOf",
        'fits none of 2 alternatives; by the nearest, it lacks the required property "a"',
    ),
    (
        {"oneOf": [{"type": "string"}, {"type": "null"}, {"minLength": 1}]},
        "x",
        "",
        "oneOf",
        "fits several of 3 alternatives: numbers 0 and 2",
    ),
]


@pytest.mark.parametrize(("schema", "data", "path", "keyword", "message"), WORDS)
def test_each_keyword_has_its_words(
    schema: dict[str, Any], data: Any, path: str, keyword: str, message: str
) -> None:
    (error,) = compile_validator(schema).validate(data).errors
    assert (error.path, error.keyword, error.message) == (path, keyword, message)
    assert error.schema_path.startswith("/")


REMEMBERED = {
    "$defs": {"part": {"type": ["integer", "null"], "maximum": 3}},
    "type": "object",
    "required": ["a", "b"],
    "properties": {
        "a": {"$ref": "#/$defs/part"},
        "b": {"type": "array", "items": {"$ref": "#/$defs/part"}, "uniqueItems": True},
        "c": {"anyOf": [{"type": "string", "minLength": 2}, {"$ref": "#/$defs/part"}]},
        "d": False,
    },
    "dependentRequired": {"c": ["d", "e"]},
    "propertyNames": {"maxLength": 2},
    "additionalProperties": {"enum": [1, "x"]},
    "unevaluatedProperties": False,
}
_SCALARS = (
    st.none() | st.booleans() | st.integers(0, 5) | st.floats(0, 5) | st.text("xy", max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "e", "long"]),
        _SCALARS | st.lists(_SCALARS, max_size=3),
    )
)
def test_words_that_are_remembered_are_the_words_that_would_be_found(data: dict[str, Any]) -> None:
    evaluator = compile_validator(REMEMBERED).compile()
    for error in evaluator.compiled.errors(data, 100).errors:
        first = Describer(evaluator.describer.documents).violation(error, data)
        assert evaluator.describer.violation(error, data) == first


def test_names_that_the_schema_does_not_know_are_not_remembered() -> None:
    validator = compile_validator({"additionalProperties": {"type": "integer", "maximum": 0}})
    known = validator.compile().describer._known
    for name in (SECRET, "alice", "bob"):
        assert not validator.validate({name: 1})
        assert not validator.validate({name: "text"})
    assert SECRET not in repr(known)
    assert len(known) == 2


def test_paths_are_json_pointers() -> None:
    schema = {"properties": {"a/b": {"items": {"properties": {"c~d": {"type": "string"}}}}}}
    (error,) = compile_validator(schema).validate({"a/b": [{}, {"c~d": 1}]}).errors
    assert error.path == "/a~1b/1/c~0d"
    assert error.schema_path == "/properties/a~1b/items/properties/c~0d/type"


def test_the_schema_path_says_where_the_keyword_really_stands() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    (error,) = compile_validator(schema).validate({"a": "x"}).errors
    assert error.schema_path == "/$defs/n/type"


def test_property_names_that_the_schema_does_not_know_are_data() -> None:
    schema = {"properties": {"scores": {"additionalProperties": {"type": "integer"}}}}
    data = {"scores": {"ada@example.com": "high", "scores": "low"}}
    hidden = {e.path for e in compile_validator(schema).validate(data).errors}
    assert hidden == {"/scores/*", "/scores/scores"}
    shown = compile_validator(schema, options=ValidationOptions(show_values=True)).validate(data)
    assert {e.path for e in shown.errors} == {"/scores/ada@example.com", "/scores/scores"}


def test_values_are_quoted_when_asked_for_and_shortened() -> None:
    options = ValidationOptions(show_values=True)
    schema: dict[str, Any] = {
        "properties": {"n": {"type": "integer"}, "t": {"type": "null"}},
        "additionalProperties": False,
    }
    report = compile_validator(schema, options=options).validate(
        {"n": "five", "t": "x" * 500, "extra": 1}
    )
    messages = {e.path: e.message for e in report.errors}
    assert messages["/n"] == 'is a string, not an integer (got "five")'
    assert messages[""] == 'has 1 property that the schema does not allow: "extra"'
    assert messages["/t"].endswith("… (502 characters))")
    assert len(messages["/t"]) < 250


# Wherever a secret can stand in data that is invalid by SCHEMA.
SCHEMA: dict[str, Any] = {
    "$defs": {
        "text": {"type": "string", "maxLength": 3, "pattern": "^[a-c]*$", "format": "date"},
        "part": {
            "type": "object",
            "properties": {"kind": {"enum": ["a", "b"]}, "n": {"type": "integer", "maximum": 5}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    },
    "type": "object",
    "properties": {
        "text": {"$ref": "#/$defs/text"},
        "part": {"anyOf": [{"$ref": "#/$defs/part"}, {"type": "null"}]},
        "one": {"oneOf": [{"$ref": "#/$defs/part"}, {"$ref": "#/$defs/text"}]},
        "list": {"type": "array", "items": {"$ref": "#/$defs/part"}, "uniqueItems": True},
        "map": {
            "additionalProperties": {"$ref": "#/$defs/text"},
            "propertyNames": {"maxLength": 4},
        },
        "const": {"const": "c"},
        "not": {"not": {"type": "string"}},
        "deps": {"dependentRequired": {"a": ["b"]}, "unevaluatedProperties": False},
        "rest": {"prefixItems": [{"type": "integer"}], "unevaluatedItems": False},
        "cond": {"if": {"type": "string"}, "then": {"minLength": 99}, "else": False},
        "contains": {"contains": {"type": "integer"}},
    },
    "additionalProperties": {"type": "integer"},
}
_names = st.sampled_from([*SCHEMA["properties"], "kind", "n", "a", SECRET, f"x-{SECRET}"])
_secrets: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [SECRET, f"a {SECRET}", None, 7, 0.5, True, SECRET.encode(), math.nan, object()]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4) | st.tuples(inner)
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(data=st.dictionaries(_names, _secrets, min_size=1))
def test_no_report_ever_holds_a_value_or_an_undeclared_name(data: dict[str, Any]) -> None:
    for validator in VALIDATORS:
        report = validator.validate(data)
        for text in (str(report), repr(report), report.to_json(), report._repr_html_()):
            assert "canary" not in text
        if not report:
            with pytest.raises(SchemaValidationError) as caught:
                report.raise_if_invalid()
            assert "canary" not in f"{caught.value!s} {caught.value!r}"


VALIDATORS = [
    compile_validator(SCHEMA, options=options)
    for options in (ValidationOptions(), ValidationOptions(nulls="absent"))
]


def test_the_search_for_secrets_does_find_them_when_they_are_shown() -> None:
    open_one = compile_validator(SCHEMA, options=ValidationOptions(show_values=True))
    assert "canary" in str(open_one.validate({"text": SECRET}))
    assert "canary" in str(open_one.validate({SECRET: "x"}))


def test_a_limit_and_a_log_line_hold_no_data_either(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for validator in VALIDATORS:
            validator.validate({"text": SECRET, SECRET: SECRET})
    assert "canary" not in caplog.text


def test_a_report_becomes_json() -> None:
    report = compile_validator({"required": ["a"]}, reference="x@1").validate({})
    assert json.loads(report.to_json()) == {
        "is_valid": False,
        "schema": "x@1",
        "fingerprint": report.fingerprint,
        "nulls": "strict",
        "errors": [
            {
                "path": "",
                "message": 'lacks the required property "a"',
                "keyword": "required",
                "schema_path": "/required",
            }
        ],
        "warnings": [],
    }
    assert ValidationReport.from_dict(json.loads(report.to_json(indent=2))) == report


def test_a_long_list_is_cut_and_says_so() -> None:
    options = ValidationOptions(max_errors=3)
    report = compile_validator({"items": {"type": "string"}}, options=options).validate([1] * 10)
    assert [e.path for e in report.errors] == ["/0", "/1", "/2"]
    assert report.warnings == ("10 violations; the first 3 are listed",)
    exact = compile_validator({"items": {"type": "string"}}, options=options).validate([1] * 3)
    assert exact.warnings == ()


def test_a_report_in_one_line_names_the_first_three() -> None:
    violations = tuple(Violation(f"/{n}", "is wrong", "type") for n in range(5))
    report = ValidationReport(is_valid=False, errors=violations, schema="x@1")
    assert str(report) == (
        "does not satisfy x@1: /0: is wrong; /1: is wrong; /2: is wrong; and 2 more"
    )
    assert str(ValidationReport(is_valid=True, schema="x@1")) == "valid by x@1"


def test_a_report_prints_as_a_table_in_a_terminal() -> None:
    console = pytest.importorskip("rich.console", reason="pip install 'llm-integrations[cli]'")
    validator = compile_validator(
        {"required": ["a[b]"]}, reference="x@1", warnings=["x@1 is deprecated"]
    )
    terminal = console.Console(width=100, record=True, file=io.StringIO())
    terminal.print(validator.validate({}))
    text = terminal.export_text()
    assert "invalid by x@1" in text
    assert 'lacks the required property "a[b]"' in text
    assert "x@1 is deprecated" in text
    terminal.print(validator.validate({"a[b]": 1}))
    assert "valid by x@1" in terminal.export_text()


def test_a_report_is_html_in_a_notebook_and_nothing_in_it_is_markup() -> None:
    validator = compile_validator({"required": ["<script>"]}, reference="<b>@1", warnings=["<i>"])
    html = validator.validate({})._repr_html_()
    assert "&lt;script&gt;" in html
    for raw in ("<script>", "<b>@1", "<i>"):
        assert raw not in html
    assert "<table" not in validator.validate({"<script>": 1})._repr_html_()


def renamed(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {name if k == "x" else k: renamed(v, name) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(item, name) for item in value]
    return name if value == "x" else value


@pytest.mark.parametrize(
    "name", ["0", "2024", "007", "18446744073709551615", "9" * 30, "-1", ""], ids=repr
)
@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"properties": {"x": {"type": "string"}}}, {"x": 1}),
        ({"properties": {"x": {"items": {"type": "string"}}}}, {"x": ["a", 1]}),
        ({"additionalProperties": {"required": ["a"]}}, {"x": {}}),
        ({"additionalProperties": {"minimum": 1}}, {"x": 0}),
        (
            {"properties": {"x": {"anyOf": [{"properties": {"x": {"minimum": 1}}}]}}},
            {"x": {"x": 0}},
        ),
        ({"properties": {"a": {}}, "unevaluatedProperties": {"minimum": 1}}, {"x": 0}),
        ({"properties": {"x": {"type": "integer"}}}, {"x": float("inf")}),
        ({"properties": {"x": {"properties": {"x": {"type": "null"}}}}}, {"x": {"x": {"x": 0}}}),
        ({"additionalProperties": {"properties": {"a": {"type": "null"}}}}, {"x": {"a": 0}}),
        ({"required": ["a"]}, {"x": {"x": {}}}),
    ],
)
def test_properties_may_have_digits_for_names_or_none(schema: Any, data: Any, name: str) -> None:
    """The engine takes digits for places of items, and leaves out empty names."""
    expected = compile_validator(schema).validate(data)
    assert not expected.is_valid
    numbered = compile_validator(renamed(schema, name))
    found = numbered.validate(renamed(data, name))
    ours = [(v.path, v.message, v.keyword, v.schema_path) for v in found.errors]
    theirs = [(v.path, v.message, v.keyword, v.schema_path) for v in expected.errors]
    assert ours == [tuple(text.replace("/x", f"/{name}") for text in told) for told in theirs]


def test_names_of_digits_that_the_schema_does_not_know_are_data() -> None:
    schema = {"additionalProperties": {"additionalProperties": {"maxLength": 2}}}
    (found,) = compile_validator(schema).validate({"49291234": {"7": "long"}}).errors
    assert found.path == "/*/*"
    shown = compile_validator(schema, options=ValidationOptions(show_values=True))
    assert shown.validate({"49291234": {"07": "long"}}).errors[0].path == "/49291234/07"
