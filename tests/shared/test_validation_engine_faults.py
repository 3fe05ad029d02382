"""Whatever the engine raises, only errors of ours leave a validator."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_integrations.core.errors import (
    InvalidSchema,
    LLMIntegrationsError,
    ValidationLimitExceeded,
)
from llm_integrations.core.validation import ValidationOptions, Validator, compile_validator
from llm_integrations.core.validation.compiled_schema import CompiledSchema

# Ids, anchors and names of documents that repeat: the engine finds another document by the same
# URI, and panics because the anchor is not in that one.
ID = {"$id": "urn:x"}
REPEATED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"$ref": "urn:x#a"},
        {"http://e.com/a": {"items": ID}, "urn:x": {"$dynamicAnchor": "a"}},
    ),
    (
        {"items": {"$ref": "c.json#a"}},
        {"b": {"not": {"$id": "c.json"}}, "c.json": {"$defs": {"y": {"$anchor": "a"}}}},
    ),
    (
        {"properties": {"p": {"$ref": "http://e.com/a#a"}}},
        {
            "http://e.com/b/": {
                "$id": "http://e.com/a",
                "items": {"$id": "http://e.com/b/", "not": {"$id": "http://e.com/a"}},
                "contains": {"$anchor": "a"},
            }
        },
    ),
]


@pytest.mark.parametrize(("schema", "named"), REPEATED)
def test_a_schema_that_the_engine_panics_over_is_an_invalid_schema(schema: Any, named: Any) -> None:
    for deep in (False, True):  # what is nested deep is compiled on another thread
        body: Any = schema
        for _ in range(30 if deep else 0):
            body = {"not": body}
        with pytest.raises(InvalidSchema, match="A named target lives in its resolver's resource"):
            compile_validator(body, resources=named)


NAMES = st.sampled_from(["a", "b", "c.json", "urn:x", "http://e.com/a", "http://e.com/b/"])
REFERENCES = st.builds("{}{}".format, NAMES, st.sampled_from(["", "#", "#a", "#b", "#/$defs/x"]))
ANCHORS = st.sampled_from("ab")
NAMED: st.SearchStrategy[Any] = st.recursive(
    st.fixed_dictionaries({}, optional={"$ref": REFERENCES, "type": st.just("integer")}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "$id": NAMES,
            "$anchor": ANCHORS,
            "$dynamicAnchor": ANCHORS,
            "$ref": REFERENCES,
            "$dynamicRef": REFERENCES,
            "$defs": st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
            "properties": st.dictionaries(st.sampled_from("pq"), inner, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "items": inner,
            "unevaluatedProperties": inner,
        },
    ),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=NAMED, named=st.dictionaries(NAMES, NAMED, max_size=3))
def test_ids_and_anchors_that_repeat_raise_errors_of_ours_alone(schema: Any, named: Any) -> None:
    try:
        validator = compile_validator(schema, resources=named)
        for data in (1, "x", {"p": {"p": 1, "q": "x"}, "z": 1}, [1, [2]]):
            assert validator.validate(data).is_valid == validator.is_valid(data)
    except LLMIntegrationsError as error:
        assert isinstance(error, InvalidSchema | ValidationLimitExceeded)  # noqa: PT017


def _panic() -> BaseException:
    """One of the engine's own, whose class has no importable name."""
    schema, named = REPEATED[0]
    registry = jsonschema_rs.Registry(list(named.items()))
    try:
        jsonschema_rs.validator_for(schema, registry=registry, offline=True)
    except BaseException as error:  # noqa: BLE001 - it is no Exception
        return error
    raise AssertionError("the engine has mended it: another schema is needed here")


def _failing(fault: BaseException) -> Validator:
    def fail(*_: Any) -> Any:
        raise fault

    # Apart from the evaluators that are kept for other tests.
    validator: Validator = pickle.loads(pickle.dumps(compile_validator({"type": "integer"})))
    broken = CompiledSchema(fail, fail)
    validator._evaluator = replace(validator.compile(), fast=fail, compiled=broken)
    validator._fast = fail
    return validator


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (_panic, "PanicException"),
        (lambda: RuntimeError("canary"), "RuntimeError"),
        (lambda: RecursionError("canary"), "RecursionError"),
    ],
)
def test_an_engine_that_fails_gives_no_verdict(
    fault: Callable[[], BaseException], name: str
) -> None:
    validator = _failing(fault())
    for ask in (validator.is_valid, validator.validate, validator.check):
        for data in (1, "x", (1, {2})):
            with pytest.raises(ValidationLimitExceeded, match=f"engine failed with {name}$") as no:
                ask(data)
            assert no.value.__cause__ is None
            assert no.value.__context__ is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_fault_of_the_engine(interrupt: type[BaseException]) -> None:
    validator = _failing(interrupt())
    for ask in (validator.is_valid, validator.validate, validator.check):
        with pytest.raises(interrupt):
            ask(1)


def test_what_the_engine_refuses_is_still_looked_at_more_closely() -> None:
    validator = compile_validator({"type": "array"}, options=ValidationOptions(max_depth=5))
    assert validator.is_valid({1, 2})
    assert not validator.is_valid(b"x")
