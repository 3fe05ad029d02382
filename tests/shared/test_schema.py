"""A registered schema, and the fingerprint that says whether two schemas are the same."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import random
import subprocess
import sys
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import (
    RegisteredSchema,
    SchemaReference,
    fingerprint_of,
)

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.just("\ue0001"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=4)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {key: shuffled(item, chance) for key, item in items}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(body=bodies, chance=st.randoms())
def test_the_order_of_keys_makes_no_difference(body: dict[str, Any], chance: random.Random) -> None:
    assert fingerprint_of(shuffled(body, chance)) == fingerprint_of(body)


@given(body=bodies)
def test_a_fingerprint_survives_a_way_through_json_text(body: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        assert fingerprint_of(json.loads(json.dumps(body, ensure_ascii=ascii_only))) == (
            fingerprint_of(body)
        )


@given(one=bodies, other=bodies)
def test_different_schemas_have_different_fingerprints(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    if fingerprint_of(one) == fingerprint_of(other):
        assert one == other


def test_it_is_the_sha_256_of_the_canonical_form_of_rfc_8785() -> None:
    body = {"b": [1.0, 1e30, "é\n", None, True], "a": {"z": 0.1, "": -0.0}}
    canonical = '{"a":{"":0,"z":0.1},"b":[1,1e+30,"é\\n",null,true]}'
    assert fingerprint_of(body) == hashlib.sha256(canonical.encode()).hexdigest()
    assert fingerprint_of(True) == hashlib.sha256(b"true").hexdigest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"maximum": 2**53}, {"maximum": 2**53 + 1}),
        ({"maximum": 2**70}, {"maximum": -(2**70)}),
        ({"const": 10**400}, {"const": 10**400 + 1}),
        ({"const": 2**60}, {"const": str(2**60)}),
        ({"const": 2**60}, {"const": f"\ue000{2**60:x}"}),
        ({"enum": [2**60, "\ue0001"]}, {"enum": [2**60, "\ue000\ue0001"]}),
        ({"const": 1}, {"const": True}),
        ({"const": "1"}, {"const": 1}),
        ({"enum": [1, 2]}, {"enum": [2, 1]}),
    ],
)
def test_these_are_not_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert fingerprint_of(one) != fingerprint_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"minimum": 1}, {"minimum": 1.0}),
        ({"const": [1, 2]}, {"const": (1, 2)}),
        ({"const": 0.0}, {"const": -0.0}),
    ],
)
def test_these_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert fingerprint_of(one) == fingerprint_of(other)


def test_it_is_the_same_in_every_process() -> None:
    body = {"properties": {"b": {"enum": ["x", "y"]}, "a": {"maximum": 2**64}}}
    program = (
        "from llm_integrations.core.model.schema import fingerprint_of\n"
        f"print(fingerprint_of({body!r}), end='')"
    )
    for seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        assert printed == fingerprint_of(body)


def _nested(depth: int, leaf: Any) -> Any:
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "body",
    [
        {"minimum": math.nan},
        {"minimum": -math.inf},
        {"default": object()},
        {"default": b"x"},
        {"default": {1, 2}},
        {1: "x"},
        {"a": "\ud800"},
        {"\ud800": 1},
        _nested(20_000, 1),
        [2**70, _nested(20_000, 2**70)],
        [2**70, math.nan],
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_is_no_json_has_no_fingerprint(body: Any) -> None:
    with pytest.raises(InvalidSchema, match="not a JSON document"):
        fingerprint_of(body)


def test_what_contains_itself_has_no_fingerprint() -> None:
    body: dict[str, Any] = {}
    body["items"] = body
    with pytest.raises(InvalidSchema):
        fingerprint_of(body)


PROFILE = RegisteredSchema(
    id=7,
    subject="com.example.profile",
    version=2,
    body={"type": "object"},
    references=(SchemaReference("address.json", "com.example.address", 1),),
    metadata={"owner": "team-a", "tags": ["pii", 5]},
)


def test_a_registered_schema_knows_its_reference_owner_and_tags() -> None:
    assert PROFILE.ref == SchemaRef("com.example.profile", 2)
    assert str(PROFILE) == "com.example.profile@2"
    assert PROFILE.owner == "team-a"
    assert PROFILE.tags == ("pii", "5")
    assert PROFILE.state == "ACTIVE"
    assert PROFILE.fingerprint == fingerprint_of({"type": "object"})


def test_a_schema_known_by_its_id_alone_has_no_reference() -> None:
    nameless = RegisteredSchema(id=7, subject=None, version=None, body=True)
    assert str(nameless) == "schema id 7"
    assert (nameless.owner, nameless.tags) == (None, ())
    with pytest.raises(InvalidSchema, match="schema id 7 belongs to no known subject"):
        _ = nameless.ref


def test_a_registered_schema_pickles_with_and_without_its_fingerprint() -> None:
    fresh = RegisteredSchema(id="x", subject="a", version="1.0.0", body={"a": 1})
    before = pickle.loads(pickle.dumps(fresh))
    assert fresh.fingerprint
    after = pickle.loads(pickle.dumps(fresh))
    assert before == after == fresh
    assert before.fingerprint == after.fingerprint


@given(st.dictionaries(st.text('aé\uffff\U00010000"\\\n1.e'), values | st.tuples(values)))
@example({"a": 1e22})
@example({"a": -0.0, "b": 1.0})
@example({"a": 2**53, "b": "\u2028\x7f\x1f"})
@example({"description": "see 1.0 and 1e5"})
def test_the_fingerprint_is_that_of_the_canonical_json(body: dict[str, Any]) -> None:
    try:
        canonical = rfc8785.dumps(body)
    except rfc8785.IntegerDomainError:
        return
    assert fingerprint_of(body) == hashlib.sha256(canonical).hexdigest()
