"""Our verdicts are those of jsonschema (the reference) and of the bare engine, on random schemas.

hypothesis-jsonschema generates nothing on the hypothesis of today, so tests built on it pass
without testing; these strategies are our own, and the samples really compared are counted.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # publishes no types
import jsonschema_rs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.validation import compile_validator
from llm_integrations.core.validation.normalise import normalise

DRAFTS = {
    "http://json-schema.org/draft-04/schema#": jsonschema.Draft4Validator,
    "http://json-schema.org/draft-06/schema#": jsonschema.Draft6Validator,
    "http://json-schema.org/draft-07/schema#": jsonschema.Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema.Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": jsonschema.Draft202012Validator,
}
NAMES = ["a", "b", "c", "long name"]
TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"]

scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0.5, 1.0, -0.0, 2.25, 1e300])
    | st.sampled_from(["", "a", "abc", "é", "2026-01-02", "long name"])
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
            "additionalProperties": inner,
            "required": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
            "minProperties": st.integers(0, 2),
            "maxProperties": st.integers(0, 3),
            "propertyNames": st.just({"maxLength": 4}),
            "dependentRequired": st.just({"a": ["b"]}),
        },
    )


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("array"),
            "items": inner,
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 3),
            "uniqueItems": st.just(True),
            "contains": inner,
        },
    )


_texts = st.fixed_dictionaries(
    {},
    optional={
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 4),
        "pattern": st.sampled_from(["^a", "c$", "^[a-c]*$"]),
        "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, unique=True),
    },
)
_numbers = st.fixed_dictionaries(
    {},
    optional={
        "minimum": st.integers(-3, 3),
        "maximum": st.sampled_from([0.5, 2, 2**60]),
        "multipleOf": st.sampled_from([0.5, 1, 2]),
        "type": st.sampled_from(TYPES),
    },
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "type": st.sampled_from(TYPES),
        },
    )


leaves: st.SearchStrategy[dict[str, Any]] = (
    _texts
    | _numbers
    | st.just({})
    | st.fixed_dictionaries({"enum": st.lists(values, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"const": values})
    | st.sampled_from([{"$ref": "#/definitions/d"}, {"$ref": "#/definitions/e"}])
)
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    leaves,
    lambda inner: _objects(inner) | _arrays(inner) | _combined(inner) | _objects(leaves),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A schema of some draft with two definitions, which may refer to each other but not back."""
    definitions = {"d": draw(schemas.filter(_has_no_reference)), "e": draw(leaves)}
    if definitions["e"].get("$ref") != "#/definitions/d":
        definitions["e"] = {"type": ["object", "string"]}
    root = draw(schemas)
    if "$ref" in root:
        root = {"allOf": [root]}
    return {**root, "$schema": draw(st.sampled_from(list(DRAFTS))), "definitions": definitions}


def _has_no_reference(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "$ref" not in schema and all(map(_has_no_reference, schema.values()))
    return not isinstance(schema, list) or all(map(_has_no_reference, schema))


def in_other_types(value: Any) -> Any:
    """The same JSON in types that the engine refuses."""

    class Text(str):
        pass

    if isinstance(value, dict):
        return {Text(key): in_other_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(in_other_types(item) for item in value)
    return Text(value) if isinstance(value, str) else value


NOT_JSON = [math.nan, math.inf, -math.inf, Decimal("NaN"), np.float32("inf")]
compared: Counter[str] = Counter()
fuzz = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@fuzz
@given(schema=documents(), samples=st.lists(values, min_size=3, max_size=8))
def test_our_verdicts_are_those_of_jsonschema_and_of_the_bare_engine(
    schema: dict[str, Any], samples: list[Any]
) -> None:
    reference = DRAFTS[schema["$schema"]](schema)
    bare = jsonschema_rs.validator_for(schema, validate_formats=True, offline=True)
    ours = compile_validator(schema)
    for sample in samples:
        verdict = reference.is_valid(sample)
        assert bare.is_valid(sample) is verdict
        assert ours.is_valid(sample) is verdict
        report = ours.validate(sample)
        assert report.is_valid is verdict
        assert bool(report.errors) is not verdict
        compared["valid" if verdict else "invalid"] += 1


@fuzz
@given(schema=documents(), samples=st.lists(values, min_size=3, max_size=8))
def test_the_same_json_in_other_types_gets_the_same_verdict(
    schema: dict[str, Any], samples: list[Any]
) -> None:
    ours = compile_validator(schema)
    for sample in samples:
        other = in_other_types(sample)
        assert normalise(other).value == sample
        assert ours.is_valid(other) is ours.is_valid(sample)
        compared["other types"] += 1


@fuzz
@given(schema=documents(), samples=st.lists(values, min_size=3, max_size=8))
def test_where_there_is_no_null_both_ways_to_take_nulls_agree(
    schema: dict[str, Any], samples: list[Any]
) -> None:
    strict = compile_validator(schema)
    absent = compile_validator(schema, options=ValidationOptions(nulls="absent"))
    for sample in samples:
        if not _holds_null(sample):
            assert absent.is_valid(sample) is strict.is_valid(sample)
            compared["without null"] += 1


@fuzz
@given(schema=documents(), samples=st.lists(values, min_size=3, max_size=8))
def test_a_value_is_valid_without_its_nulls_if_nothing_is_required(
    schema: dict[str, Any], samples: list[Any]
) -> None:
    """Taking all nulls away is what "absent" means when no part of the schema requires anything."""
    relaxed = _without_required(schema)
    strict = compile_validator(relaxed)
    absent = compile_validator(relaxed, options=ValidationOptions(nulls="absent"))
    for sample in samples:
        assert absent.is_valid(sample) is strict.is_valid(_without_null_members(sample))
        assert absent.validate(sample).is_valid is absent.is_valid(sample)
        compared["nulls"] += 1


@fuzz
@given(schema=documents(), sample=values, number=st.sampled_from(NOT_JSON), choice=st.randoms())
def test_a_value_with_nan_anywhere_in_it_is_never_valid(
    schema: dict[str, Any], sample: Any, number: Any, choice: random.Random
) -> None:
    spoilt = _spoilt(sample, number, choice)
    for options in (ValidationOptions(), ValidationOptions(nulls="absent")):
        validator = compile_validator(schema, options=options)
        assert not validator.is_valid(spoilt)
        assert not validator.validate(spoilt)
    compared["nan"] += 1


def test_enough_was_compared_of_everything() -> None:
    """The tests above must have run before, in this process."""
    if not compared:
        pytest.skip("this test alone compares nothing")
    for kind in ("valid", "invalid", "other types", "without null", "nulls", "nan"):
        assert compared[kind] >= 30, compared


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_holds_null, value)))


def _spoilt(value: Any, number: Any, choice: random.Random) -> Any:
    """The value with one scalar in it, or an empty container, replaced."""
    if isinstance(value, dict) and value:
        key = choice.choice(sorted(value))
        return {**value, key: _spoilt(value[key], number, choice)}
    if isinstance(value, list) and value:
        place = choice.randrange(len(value))
        return [*value[:place], _spoilt(value[place], number, choice), *value[place + 1 :]]
    return number


def _without_null_members(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_null_members(v) for k, v in value.items() if v is not None}
    return [_without_null_members(v) for v in value] if isinstance(value, list) else value


def _without_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_required(v) for k, v in schema.items() if k != "required"}
    return [_without_required(v) for v in schema] if isinstance(schema, list) else schema
