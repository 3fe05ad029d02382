"""Compiling for a table ends in steps that grow like the schema times the Arrow type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.arrow import compile_arrow
from llm_integrations.core.errors import InvalidSchema

# Counting lines would take longer than what is counted here.
pytestmark = pytest.mark.no_cover

STEPS_PER_PRODUCT = 60
"""Calls of Python functions for each subschema and each field: twice what the worst case needs."""

FIXED_STEPS = 500_000
"""Calls that any schema may cost: for the most nodes that references may multiply to, and the most
that the engine may compile for parts."""


def calls(task: Callable[[], object], most: int) -> int:
    """How many Python functions a task calls; a failure once there are too many."""
    count = 0

    def watch(_frame: Any, event: str, _value: Any) -> None:
        nonlocal count
        if event == "call":
            count += 1
            if count > most:
                raise AssertionError(f"more than {most:,} steps")

    sys.setprofile(watch)
    try:
        task()
    finally:
        sys.setprofile(None)
    return count


def size_of(value: Any) -> int:
    """JSON values within a schema."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(size_of, inner))


def fields_of(kind: Any) -> int:
    """An Arrow type and all types within it."""
    return 1 + sum(fields_of(kind.field(index).type) for index in range(kind.num_fields))


def compile_within_bounds(schema: dict[str, Any], columns: Any) -> None:
    fields = fields_of(pa.struct(list(columns)))
    most = FIXED_STEPS + STEPS_PER_PRODUCT * size_of(schema) * fields
    calls(lambda: compile_arrow(schema, schema=columns, threads=1), most)


def fanning_out(keyword: str, depth: int) -> dict[str, Any]:
    """Definitions, each used twice by the one before."""
    definitions: dict[str, Any] = {
        f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)
    }
    definitions[f"d{depth}"] = {"type": "integer", "minimum": 1}
    return {"$defs": definitions, "properties": {"a": {"$ref": "#/$defs/d0"}}}


def union_of(variants: int) -> dict[str, Any]:
    """A tree of operators, as a query language has it."""
    tree = {"$ref": "#/$defs/tree"}
    options = [
        {
            "type": "object",
            "properties": {"op": {"const": str(n)}, "left": tree, "right": tree},
            "required": ["op"],
        }
        for n in range(variants)
    ]
    return {"$defs": {"tree": {"anyOf": options}}, "properties": {"a": tree}}


def nested(keyword: str, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for level in range(depth):
        schema = {keyword: [schema, {"minimum": level}]}
    return {"properties": {"a": schema}}


def tree_type(depth: int) -> Any:
    """A struct of structs, both branches down to the fourth level and one from there on."""
    kind = pa.struct([("op", pa.string())])
    for level in range(depth):
        branches = ["left", "right"] if level >= depth - 4 else ["left"]
        kind = pa.struct([("op", pa.string()), *((name, kind) for name in branches)])
    return kind


def columns(kind: Any, count: int) -> Any:
    return pa.schema([(f"p{n}", kind) for n in range(count)])


ONE = pa.schema([("a", pa.int64())])


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_references_that_fan_out_are_compiled_in_bounded_steps(keyword: str) -> None:
    compile_within_bounds(fanning_out(keyword, 30), ONE)


@pytest.mark.parametrize("depth", [4, 24])
def test_a_recursive_union_is_compiled_for_a_type_of_any_depth(depth: int) -> None:
    compile_within_bounds(union_of(3), pa.schema([("a", tree_type(depth))]))


def test_thousands_of_properties_are_compiled_in_bounded_steps() -> None:
    names = [f"p{n}" for n in range(2_000)]
    schema = {
        "properties": {name: {"type": "integer"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    calls(lambda: compile_arrow(schema, schema=columns(pa.int64(), 2_000)), 2_000 * 400)


def test_patterns_of_property_names_are_compiled_once_each() -> None:
    patterns = {f"^p{n}$": {"type": "integer"} for n in range(50)}
    compile_within_bounds({"patternProperties": patterns}, columns(pa.int64(), 250))


def test_many_parts_without_a_kernel_are_left_to_the_engine_as_whole_rows() -> None:
    parts = {f"p{n}": {"$id": f"http://x/{n}", "type": "integer"} for n in range(230)}
    schema = {"properties": parts}
    plan = compile_arrow(schema, schema=columns(pa.int64(), 230), threads=1)
    [note] = plan.explain().notes
    assert (note.how, note.why) == ("by row", "too many of its parts have no kernel")
    good, bad = pa.table({"p0": [1], "p1": [2]}), pa.table({"p0": [1], "p1": ["2"]})
    assert (plan.mask(good).to_pylist(), plan.mask(bad).to_pylist()) == ([True], [False])


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
@pytest.mark.parametrize("depth", [12, 90])
def test_a_deep_nest_of_combinations_is_compiled_in_bounded_steps(keyword: str, depth: int) -> None:
    compile_within_bounds(nested(keyword, depth), ONE)


def test_a_nest_deeper_than_the_engine_goes_is_refused() -> None:
    with pytest.raises(InvalidSchema):
        compile_arrow(nested("allOf", 300), schema=ONE)


def test_a_long_chain_of_references_is_compiled_in_bounded_steps() -> None:
    chain: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}]} for n in range(500)
    }
    chain["d500"] = {"type": "integer"}
    schema = {"$defs": chain, "properties": {"a": {"$ref": "#/$defs/d0"}}}
    compile_within_bounds(schema, ONE)
    plan = compile_arrow(schema)
    assert plan.mask(pa.table({"a": [1]})).to_pylist() == [True]
    assert plan.mask(pa.table({"a": ["1"]})).to_pylist() == [False]


def test_branches_that_each_require_a_property_are_compiled_in_bounded_steps() -> None:
    names = [f"p{n}" for n in range(200)]
    schema = {
        "properties": {name: {"type": "integer"} for name in names},
        "anyOf": [{"required": [name]} for name in names],
    }
    compile_within_bounds(schema, columns(pa.int64(), 200))


def test_what_refuses_null_is_found_in_bounded_steps_behind_references_that_fan_out() -> None:
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 8} for n in range(6)
    }
    definitions["d6"] = {"minimum": 1}
    schema = {
        "$defs": definitions,
        "properties": {"a": {"$ref": "#/$defs/d0"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    compile_within_bounds(schema, ONE)


def schemas(names: list[str]) -> st.SearchStrategy[Any]:
    """Schemas of combinations, members, items and references among some definitions."""
    leaves = st.sampled_from(
        [
            {"type": "integer", "minimum": 1},
            {"type": ["string", "null"]},
            {"required": ["a"]},
            {"const": "x"},
            *({"$ref": f"#/$defs/{name}"} for name in names),
        ]
    )

    def larger(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = st.lists(parts, min_size=1, max_size=4)
        return st.one_of(
            st.builds(lambda word, held: {word: held}, st.sampled_from(["anyOf", "allOf"]), lists),
            st.builds(lambda a, b: {"properties": {"a": a, "b": b}}, parts, parts),
            st.builds(lambda held: {"items": held}, parts),
            st.builds(lambda held: {"if": held, "then": held}, parts),
        )

    return st.recursive(leaves, larger, max_leaves=8)


NAMES = ["x", "y", "z"]
TYPES = st.recursive(
    st.sampled_from([pa.int64(), pa.string()]),
    lambda kinds: st.one_of(
        st.builds(pa.list_, kinds),
        st.builds(lambda a, b: pa.struct([("a", a), ("b", b)]), kinds, kinds),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({name: schemas(NAMES) for name in NAMES}), schemas(NAMES), TYPES)
def test_any_schema_is_compiled_for_any_type_in_bounded_steps(
    definitions: dict[str, Any], member: Any, kind: Any
) -> None:
    schema = {"$defs": definitions, "properties": {"a": member}}
    with suppress(InvalidSchema):  # References in a circle on the same value are refused.
        compile_within_bounds(schema, pa.schema([("a", kind)]))
