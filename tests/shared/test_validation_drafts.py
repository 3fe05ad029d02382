"""Drafts 4 to 2020-12, formats on and off in each of them, and why something is no schema."""

from __future__ import annotations

from typing import Any

import pytest

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.validation import ValidationOptions, compile_validator

D4 = "http://json-schema.org/draft-04/schema#"
D6 = "http://json-schema.org/draft-06/schema#"
D7 = "http://json-schema.org/draft-07/schema#"
D2019 = "https://json-schema.org/draft/2019-09/schema"
D2020 = "https://json-schema.org/draft/2020-12/schema"
ALL = (D4, D6, D7, D2019, D2020)


@pytest.mark.parametrize(
    ("schema", "data", "judged_invalid_by"),
    [
        ({"exclusiveMinimum": 3}, 3, (D6, D7, D2019, D2020)),
        ({"const": 1}, 2, (D6, D7, D2019, D2020)),
        ({"if": {"type": "string"}, "then": False}, "x", (D7, D2019, D2020)),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, (D2019, D2020)),
        ({"unevaluatedProperties": False}, {"a": 1}, (D2019, D2020)),
        ({"prefixItems": [{"type": "string"}]}, [1], (D2020,)),
        ({"type": "integer"}, 1.5, ALL),
    ],
)
def test_each_draft_knows_its_own_keywords(
    schema: dict[str, Any], data: Any, judged_invalid_by: tuple[str, ...]
) -> None:
    for draft in ALL:
        if draft == D4 and "exclusiveMinimum" in schema:
            continue
        validator = compile_validator({**schema, "$schema": draft})
        assert validator.is_valid(data) is (draft not in judged_invalid_by), draft


def test_a_schema_without_a_draft_is_2020_12() -> None:
    assert not compile_validator({"prefixItems": [{"type": "string"}]}).is_valid([1])


@pytest.mark.parametrize("draft", ALL)
def test_siblings_of_a_reference_count_from_2019_on(draft: str) -> None:
    schema = {
        "$schema": draft,
        "properties": {"a": {"$ref": "#/definitions/t", "maxLength": 1}},
        "definitions": {"t": {"type": "string"}},
    }
    assert compile_validator(schema).is_valid({"a": "long"}) is (draft in (D4, D6, D7))


FORMATS: dict[str, tuple[str, str]] = {
    "date-time": ("2026-01-02T03:04:05Z", "2026-01-02 03:04"),
    "email": ("ada@example.com", "ada"),
    "ipv4": ("10.0.0.1", "10.0.0.256"),
    "ipv6": ("::1", "1"),
    "uri": ("https://example.com", "no uri"),
    "hostname": ("example.com", "-x-.com"),
}
NEWER_FORMATS: dict[str, tuple[str, str]] = {
    "uuid": ("00000000-0000-0000-0000-000000000001", "1"),
    "duration": ("P1D", "a day"),
}


@pytest.mark.parametrize(
    ("draft", "name", "good", "bad"),
    [(draft, name, *FORMATS[name]) for draft in ALL for name in FORMATS]
    + [(draft, name, *NEWER_FORMATS[name]) for draft in (D2019, D2020) for name in NEWER_FORMATS],
)
def test_formats_are_asserted_in_every_draft_that_has_them(
    draft: str, name: str, good: str, bad: str
) -> None:
    validator = compile_validator({"$schema": draft, "format": name})
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)
    assert validator.is_valid(5)


@pytest.mark.parametrize("draft", ALL)
def test_formats_are_off_in_every_draft_when_told_so(draft: str) -> None:
    off = ValidationOptions(formats=False)
    for name, (_, bad) in FORMATS.items():
        assert compile_validator({"$schema": draft, "format": name}, options=off).is_valid(bad)


def test_a_format_that_nobody_knows_is_a_remark() -> None:
    assert compile_validator({"format": "colour"}).is_valid("anything")


def test_a_python_datetime_with_a_zone_has_the_format_and_one_without_has_not() -> None:
    import datetime as dt

    validator = compile_validator({"type": "string", "format": "date-time"})
    assert validator.is_valid(dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    assert not validator.is_valid(dt.datetime(2026, 1, 2))  # noqa: DTZ001 - the case in question
    assert compile_validator({"format": "date"}).is_valid(dt.date(2026, 1, 2))
    assert compile_validator({"format": "duration"}).is_valid(dt.timedelta(days=2, hours=1))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "text"}, "at /type it is no JSON Schema"),
        (
            {"properties": {"a": {"minLength": -1}}},
            "at /properties/a/minLength it is no JSON Schema",
        ),
        ({"properties": []}, "at /properties it is no JSON Schema"),
        ({"required": "a"}, "at /required it is no JSON Schema"),
        ({"pattern": "["}, "at /pattern '[' is no regular expression"),
        ({"$schema": "https://example.com/mine"}, "is none of the drafts 4, 6, 7, 2019-09 and"),
        ({"$schema": 7}, "at /$schema it is no JSON Schema"),
        ({"$ref": "#/$defs/gone"}, "leads nowhere"),
        ({"$ref": "#gone"}, "leads nowhere: the anchor 'gone'"),
        ({"$id": "http://exa mple/%%"}, "it is no JSON Schema: Invalid URI"),
        ({"minimum": float("nan")}, "not a JSON document"),
        ({"default": object()}, "not a JSON document"),
        ({1: {}}, "not a JSON document"),
        ({"enum": ["\ud800"]}, "not a JSON document"),
        (None, "it is no JSON Schema"),
        ([], "it is no JSON Schema"),
        (5, "it is no JSON Schema"),
        ("object", "no JSON Schema"),
        ('{"type": "string"}', "no JSON Schema"),
        (b"{}", "no JSON Schema"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_reason(body: Any, reason: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        compile_validator(body, reference="x@1")
    assert str(caught.value).startswith("x@1 cannot be used: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "schema.invalid" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_keywords_that_a_draft_does_not_know_may_hold_anything() -> None:
    odd = {
        D4: {"if": 5, "const": [1], "contains": "x", "propertyNames": 0, "dependentSchemas": []},
        D7: {"prefixItems": [1], "dependentSchemas": 5, "unevaluatedProperties": "x", "$anchor": 7},
        D2020: {"additionalItems": 5, "x-anything": {"$ref": 5, "$id": [], "properties": 1}},
    }
    for draft, keywords in odd.items():
        for nulls in (ValidationOptions(), ValidationOptions(nulls="absent")):
            schema = {"$schema": draft, "type": "object", "properties": {"a": {}}, **keywords}
            validator = compile_validator(schema, options=nulls)
            assert validator.is_valid({"a": [1, {"b": None}], "c": None})
            assert not validator.is_valid([])


DRAFT_7 = "http://json-schema.org/draft-07/schema#"
LATEST = "https://json-schema.org/draft/2020-12/schema"
TUPLE = {"items": [{"type": "string"}]}


@pytest.mark.parametrize("draft", [None, LATEST], ids=["none named", "the latest"])
@pytest.mark.parametrize("wrong", [TUPLE, {"$defs": {"a": {"type": "strin"}}}], ids=str)
def test_what_is_referenced_is_held_against_its_draft_as_the_root_is(
    draft: str | None, wrong: dict[str, Any]
) -> None:
    root = {"$ref": "part.json"} if draft is None else {"$schema": draft, "$ref": "part.json"}
    with pytest.raises(InvalidSchema, match=r"what 'part\.json' refers to, at .* no JSON Schema"):
        compile_validator(root, resources={"part.json": wrong})


def test_a_referenced_tuple_is_one_by_the_draft_that_it_or_the_root_names() -> None:
    for root, part in (
        ({"$schema": DRAFT_7, "$ref": "part.json"}, TUPLE),
        ({"$ref": "part.json"}, {"$schema": DRAFT_7, **TUPLE}),
    ):
        validator = compile_validator(root, resources={"part.json": part})
        assert (validator.is_valid(["a"]), validator.is_valid([1])) == (True, False)
    with pytest.raises(InvalidSchema, match="by draft 7 it is one, so name that draft in it"):
        compile_validator({"$ref": "part.json"}, resources={"part.json": TUPLE})
