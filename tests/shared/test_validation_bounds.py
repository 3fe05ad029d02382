"""Judging and explaining end in steps that grow like the schema's size times the data's.

What could hang or use up memory runs in a process of its own, with little of both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    ValidationLimitExceeded,
)
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation import (
    Validator,
    compile_validator,
    compiled_schema,
    evaluator,
)
from llm_integrations.core.validation.compiled_schema import CompiledSchema, compile_schema
from llm_integrations.core.validation.explain.descent import Descent
from llm_integrations.core.validation.explain.growth import (
    Growth,
    growth_of,
    most_looks,
)

# Counting lines would take longer than what is counted here.
pytestmark = pytest.mark.no_cover

PRELUDE = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from llm_integrations.core.validation import ValidationOptions, compile_validator
from llm_integrations.core.errors import InvalidSchema

F = {"$ref": "#/$defs/f"}

def operation(name):
    properties = {"op": {"const": name}, "args": {"type": "array", "items": F}}
    return {"type": "object", "properties": properties, "required": ["op", "args"]}

def union(*branches):
    return {**F, "$defs": {"f": {"anyOf": list(branches)}}}

def nested(levels, leaf, wrap):
    for _ in range(levels):
        leaf = wrap(leaf)
    return leaf

def doubled(levels, step):
    definitions = {f"d{n}": step({"$ref": f"#/$defs/d{n + 1}"}) for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {"type": "integer"}}}
"""


def ends(program: str) -> str:
    """What a program printed, if it ended in time and in two gigabytes."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_recursive_union_is_explained_at_any_depth() -> None:
    printed = ends("""
        field = {"op": {"const": "eq"}, "field": {"type": "string"}}
        leaf = {"type": "object", "properties": field, "required": ["op", "field"]}
        v = compile_validator(union(operation("and"), operation("or"), leaf))
        for levels in (16, 90):
            wrong = nested(levels, {"op": "eq", "field": 5}, lambda d: {"op": "and", "args": [d]})
            (error,) = v.validate(wrong).errors
            assert error.message.count("/args/0 fits none of 3 alternatives") == levels
            assert error.message.endswith("by the nearest, /field is an integer, not a string")
        print("ok")
    """)
    assert printed == "ok"


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_a_wide_union_is_explained_by_the_branch_whose_tag_fits(keyword: str) -> None:
    printed = ends(f"""
        schema = union(*(operation(f"op-{{n}}") for n in range(120)))
        schema["$defs"]["f"] = {{"{keyword}": schema["$defs"]["f"]["anyOf"]}}
        wrong = nested(40, 7, lambda d: {{"op": "op-77", "args": [d, d]}})
        # As JSON text would give it: no part stands in two places.
        wrong = nested(6, {{"op": "op-99", "args": "x"}}, lambda d: {{"op": "op-77", "args": [d]}})
        (error,) = compile_validator(schema).validate(wrong).errors
        print(error.message[-80:])
    """)
    assert printed.endswith("by the nearest, /args is a string, not an array")


def test_no_error_holds_a_copy_of_large_data_for_each_level_above() -> None:
    printed = ends("""
        again = {"anyOf": [{"$ref": "#"}, {"type": "null"}]}
        schema = {"type": "object", "properties": {"next": again, "v": {"type": "integer"}}}
        for keys in ({}, {"required": ["z"]}):
            leaf = {"v": "x", "big": ["y" * 1000] * 3000}
            wrong = nested(190, leaf, lambda d: {"next": d})
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            report = compile_validator({**schema, **keys}).validate(wrong)
            assert not any("max_steps" in text for text in report.warnings)
            assert report.errors[0].path == ("" if keys else "/next")
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
        print("ok")
    """)
    assert printed == "ok"


def test_every_way_to_come_back_is_bounded() -> None:
    printed = ends("""
        again = {"properties": {"a": {"$ref": "#"}}, "type": "object"}
        both = [again, {**again, "required": ["z"]}]
        schemas = [
            {"allOf": [again, again]}, {"anyOf": both}, {"oneOf": both},
            {"if": {"required": ["a"]}, "then": {"allOf": both}, "else": False},
            {**again, "patternProperties": {"^a": {"$ref": "#"}}},
            {**again, "dependentSchemas": {"a": again}},
            {"items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}, "anyOf": both},
            {"$dynamicAnchor": "n", "anyOf": [
                {"properties": {"a": {"$dynamicRef": "#n"}}, "required": ["z"]},
                {"properties": {"a": {"$dynamicRef": "#n"}}, "required": ["y"]}]},
        ]
        for schema in schemas:
            for keys in ({}, {"regex": "bounded"}, {"nulls": "absent"}, {"show_values": True}):
                v = compile_validator(schema, options=ValidationOptions(**keys))
                for leaf in (5, "x", None):
                    value = nested(100, leaf, lambda d: {"a": d})
                    report = v.validate(value)
                    assert report.is_valid == v.is_valid(value)
                    assert len(report.to_json()) < 3_000_000
        print("ok")
    """)
    assert printed == "ok"


@pytest.mark.parametrize(
    "step",
    [
        '{"allOf": [r, r]}',
        '{"anyOf": [r, {"$ref": r["$ref"]}]}',
        '{"oneOf": [r, {"not": r}]}',
        '{"if": r, "then": r, "else": r}',
        '{"not": {"not": r}, "allOf": [r]}',
        '{"dependentSchemas": {"a": r, "b": r}}',
        '{"allOf": [{"properties": {"a": r}}, {"properties": {"a": r}}]}',
        '{"properties": {"a": r}, "patternProperties": {"a": r}}',
        '{"items": r, "contains": r}',
        '{"propertyNames": r, "additionalProperties": r, "patternProperties": {"": r}}',
    ],
)
def test_references_that_fan_out_are_judged_all_the_same(step: str) -> None:
    printed = ends(f"""
        few, many = (doubled(n, lambda r: {step}) for n in (3, 31))
        deep = nested(31, 1, lambda d: {{"a": d}})
        few, many = compile_validator(few), compile_validator(many)
        for value in (1, "x", [1], {{"a": 1, "b": 1}}, (1,), deep):
            report = many.validate(value)
            assert report.is_valid == many.is_valid(value)
            assert bool(report.errors) != report.is_valid
        assert few.is_valid(1) == many.is_valid(1)
        print("ok")
    """)
    assert printed == "ok"


@pytest.mark.parametrize(
    ("inner", "wrap"),
    [
        ('{"properties": {"x": {}}}', '{"anyOf": [s, q], "unevaluatedProperties": False}'),
        ('{"prefixItems": [{}]}', '{"anyOf": [s, q], "unevaluatedItems": False}'),
        ('{"properties": {"x": {}}}', '{"allOf": [s], "unevaluatedProperties": False}'),
        ('{"properties": {"x": {}}}', '{"if": s, "then": q, "unevaluatedProperties": False}'),
    ],
)
def test_unevaluated_keywords_within_each_other_are_refused(inner: str, wrap: str) -> None:
    printed = ends(f"""
        q = {{"required": ["q"]}}
        try:
            compile_validator(nested(24, {inner}, lambda s: {wrap})).is_valid({{"x": 1}})
        except InvalidSchema as error:
            print(error)
    """)
    assert "judging by it could take for ever" in printed


def test_references_that_fan_out_down_the_data_are_judged() -> None:
    printed = ends("""
        schema = doubled(100, lambda r: {"properties": {"a": r, "b": r}, "items": r})
        deep = nested(100, "x", lambda d: {"a": d})
        (error,) = compile_validator(schema).validate(deep).errors
        print(error.message)
    """)
    assert printed == "is a string, not an integer"


@pytest.mark.parametrize(
    ("many", "step"),
    [
        (20, lambda to: {"allOf": [to(2), to(1)]}),
        (20, lambda to: {"anyOf": [to(1), to(-2), {"not": to(5)}]}),
        (12, lambda to: {"oneOf": [*map(to, range(1, 12))]}),
        (10, lambda to: {"allOf": [to(2), to(1)], "if": to(1), "then": to(0), "else": to(-2)}),
        (40, lambda to: {"properties": {"a": {"allOf": [to(2), to(1)]}}}),
        (40, lambda to: {"items": to(3), "allOf": [{"items": to(1)}, to(4)]}),
    ],
)
def test_definitions_that_lead_to_each_other_in_many_ways_are_judged(
    many: int, step: Callable[[Callable[[int], dict[str, Any]]], dict[str, Any]]
) -> None:
    def definition(here: int) -> dict[str, Any]:
        return step(lambda further: {"$ref": f"#/$defs/d{(here + further) % many}"})

    definitions = {f"d{n}": definition(n) for n in range(many)}
    schema = {"$ref": "#/$defs/d0", "$defs": definitions}
    printed = ends(f"""
        import json
        from llm_integrations.core.evolution import check_compatibility
        schema = json.loads({json.dumps(schema)!r})
        validator = compile_validator(schema)
        deep = nested(60, 1, lambda d: {{"a": d}}), nested(60, 1, lambda d: [d])
        for data in (1, None, "x", *deep):
            assert validator.is_valid(data) == bool(validator.validate(data))
        check_compatibility({{**schema, "maxLength": 5}}, [schema])
        print("ended")
    """)
    assert printed == "ended"


def test_definitions_that_lead_to_each_other_are_refused_where_no_verdict_can_be_kept() -> None:
    step = {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}, {"$ref": "#/$defs/c"}]}
    definitions = {name: {"items": step, **step, "maxItems": 9} for name in "abcdefgh"}
    for name, following in zip("abcdefgh", "bcdefgha", strict=True):
        definitions[name] = {**definitions[name], "$ref": f"#/$defs/{following}"}
    with pytest.raises(InvalidSchema, match="judging by it could take for ever"):
        compile_validator({**step, "$defs": definitions, "unevaluatedProperties": False})


@pytest.mark.parametrize(
    "leading_back",
    [
        {"allOf": [{"$ref": "#/$defs/a"}]},
        {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]},
        {"allOf": [{"allOf": [{"$ref": "#/$defs/a"}]}]},
    ],
)
def test_a_reference_to_where_it_stands_is_no_violation_of_its_own(
    leading_back: dict[str, Any],
) -> None:
    again = {"$ref": "#/$defs/a"}
    definition = {**leading_back, "type": "integer", "properties": {"p": again, "q": again}}
    validator = compile_validator({**again, "$defs": {"a": definition, "b": again}})
    report = validator.validate("x")
    assert [error.keyword for error in report.errors] == ["type"]


def test_what_is_used_twice_a_few_times_is_judged() -> None:
    printed = ends("""
        v = compile_validator(doubled(8, lambda r: {"allOf": [r, r]}))
        print(v.is_valid(1), len(v.validate("x").errors), v.validate("x").warnings)
    """)
    assert printed == "True 100 ('256 violations; the first 100 are listed',)"


def _discriminated(variants: int) -> dict[str, Any]:
    """As pydantic writes a union with a discriminator whose members hold such a union."""
    definitions = {
        f"V{n}": {
            "type": "object",
            "properties": {
                "kind": {"const": f"v{n}", "type": "string"},
                "size": {"type": "integer", "default": 0},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
            },
            "required": ["kind"],
        }
        for n in range(variants)
    }
    mapping = {f"v{n}": f"#/$defs/V{n}" for n in range(variants)}
    item = {
        "discriminator": {"mapping": mapping, "propertyName": "kind"},
        "oneOf": [{"$ref": target} for target in mapping.values()],
    }
    node = {"type": "object", "properties": {"item": item}, "required": ["item"]}
    return {"$ref": "#/$defs/Node", "$defs": {"Node": node, **definitions}}


_TARGETS = ["#", "#/$defs/a", "#/$defs/b", "#/$defs/c", "#/$defs/a/items", "#/%24defs/a", "#x", "n"]
_LEAVES: st.SearchStrategy[Any] = st.just({}) | st.sampled_from(_TARGETS).map(
    lambda target: {"$ref": target}
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    optional = {
        "allOf": st.lists(inner, max_size=3),
        "anyOf": st.lists(inner, max_size=3),
        "properties": st.dictionaries(st.sampled_from(["a", "id"]), inner),
        "items": inner,
        "not": inner,
        "unevaluatedProperties": inner | st.just(False),
        "$ref": st.sampled_from(_TARGETS),
        "$id": st.sampled_from(["n", "m/"]),
    }
    return st.fixed_dictionaries({}, optional=optional)


_REFERRING = _combined(st.recursive(_LEAVES, _combined, max_leaves=4))


@settings(max_examples=60, deadline=None)
@given(
    root=_REFERRING,
    definitions=st.fixed_dictionaries(dict.fromkeys("abc", _REFERRING)),
    named=st.none() | _REFERRING,
)
def test_what_is_not_counted_stays_below_its_bound(
    root: dict[str, Any], definitions: dict[str, Any], named: dict[str, Any] | None
) -> None:
    definitions["c"] = {"$anchor": "x", **definitions["c"]}
    schema = json.loads(json.dumps({**root, "$defs": definitions}))
    documents = Documents(schema, {} if named is None else {"n": named})
    growth = growth_of(documents, documents.keywords)
    objects, looks = most_looks(documents)
    assert growth.looks <= looks * max(len(growth.uses), 1)
    assert len(growth.uses) <= objects


def test_schemas_of_real_life_are_judged() -> None:
    specifications = import_module("jsonschema_specifications").REGISTRY
    metaschemas = {uri: specifications.contents(uri) for uri in specifications}
    for uri in (
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ):
        body = next(b for u, b in metaschemas.items() if u.rstrip("#") == uri.rstrip("#"))
        validator = compile_validator(body, resources=metaschemas)
        assert validator.is_valid({"type": "object"})
        report = validator.validate({"properties": {"a": {"type": 5}}})
        assert report.errors[0].path == "/properties/*/type"
    validator = compile_validator(_discriminated(120))
    (error,) = validator.validate({"item": {"kind": "v77", "size": "x"}}).errors
    assert error.message.endswith("by the nearest, /size is a string, not an integer")


def test_a_schema_of_half_a_megabyte_full_of_unions_is_judged() -> None:
    names = [f"Type{n}" for n in range(1500)]
    definitions: dict[str, Any] = {}
    for n, name in enumerate(names):
        picks = [names[(n * 7 + k * 13 + 1) % len(names)] for k in range(4)]
        definitions[name] = {
            "type": "object",
            "properties": {
                "kind": {"const": name},
                **{f"p{k}": {"$ref": f"#/$defs/{pick}"} for k, pick in enumerate(picks)},
                "either": {"anyOf": [{"$ref": f"#/$defs/{pick}"} for pick in picks]},
            },
            "required": ["kind"],
            "additionalProperties": False,
        }
    schema = {"$ref": "#/$defs/Type0", "$defs": definitions}
    assert len(json.dumps(schema)) > 500_000
    validator = compile_validator(schema)
    assert validator.is_valid({"kind": "Type0"})
    assert not validator.validate({"kind": "Type0", "either": {"kind": "Type1", "p0": 3}})


LEAF_TYPES = [{"type": "integer"}, {"type": "string"}, {"const": 1}, {"maxLength": 1}]


@st.composite
def recursive_unions(draw: st.DrawFn) -> dict[str, Any]:
    """Definitions that use each other in unions, with tags or without."""
    names = ["f", "g", "h"][: draw(st.integers(1, 3))]
    part: st.SearchStrategy[Any] = st.sampled_from(
        [*({"$ref": f"#/$defs/{name}"} for name in names), *LEAF_TYPES]
    )
    keyword = st.sampled_from(["anyOf", "oneOf", "allOf"])

    def branch(number: int) -> dict[str, Any]:
        members = draw(st.dictionaries(st.sampled_from("ab"), part, max_size=2))
        found: dict[str, Any] = {"properties": members}
        if draw(st.booleans()):
            found["properties"]["op"] = {"const": number}
        if draw(st.booleans()):
            found["type"] = draw(st.sampled_from(["object", "array", ["object", "integer"]]))
        if draw(st.booleans()):
            found["required"] = draw(st.lists(st.sampled_from("abz"), max_size=2, unique=True))
        if draw(st.booleans()):
            found[
                draw(
                    st.sampled_from(
                        [
                            "items",
                            "additionalProperties",
                            "contains",
                            "not",
                            "if",
                            "unevaluatedProperties",
                            "propertyNames",
                        ]
                    )
                )
            ] = draw(part)
        return found

    definitions = {
        name: {draw(keyword): [branch(n) for n in range(draw(st.integers(1, 4)))]} for name in names
    }
    return {"$ref": "#/$defs/f", "$defs": definitions}


INSTANCES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([0, 1, 5, "", "x", "long", None]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "op", "z"]), inner, max_size=3)
    ),
    max_leaves=25,
)
CHAINS = st.builds(
    lambda leaf, keys: __import__("functools").reduce(
        lambda value, key: [value] if key == "[" else {key: value, "op": 0}, keys, leaf
    ),
    st.sampled_from([0, 5, "x", None]),
    st.lists(st.sampled_from("ab["), max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(schema=recursive_unions(), data=INSTANCES | CHAINS)
def test_the_steps_of_explaining_grow_like_the_sizes(schema: dict[str, Any], data: Any) -> None:
    steps: list[int] = []
    errors = Descent.errors

    def counting(self: Descent, most: int) -> Any:
        found = errors(self, most)
        steps.append(self.steps)
        return found

    try:
        validator = compile_validator(schema)
    except InvalidSchema:
        assume(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Descent, "errors", counting)
        report = validator.validate(data)
    assert report.is_valid == validator.is_valid(data)
    assert report.is_valid == (not report.errors)
    assert sum(steps) <= 20 + len(json.dumps(schema)) * len(json.dumps(data))


class Unlisted(Growth):
    """Of a schema whose errors the engine never lists in time."""

    is_listed_in_time = False  # pyright: ignore[reportAssignmentType] - worked out once, or known

    def is_listed_soon(self, value: Any) -> bool:
        return False


def _both_ways(schema: Any) -> tuple[CompiledSchema, CompiledSchema]:
    documents = Documents(json.loads(json.dumps(schema)))  # No part stands in two places.
    listed = compile_schema(documents, ValidationOptions())
    with pytest.MonkeyPatch.context() as patch:
        unlisted = Unlisted(uses=growth_of(documents, frozenset({"$ref"})).uses)
        patch.setattr(compiled_schema, "growth_of", lambda *_, **__: unlisted)
        return listed, compile_schema(documents, ValidationOptions())


PARTS = st.sampled_from(
    [
        *LEAF_TYPES,
        {"enum": ["x", 2, [1]]},
        {"required": ["a"]},
        {"minProperties": 2},
        {"uniqueItems": True},
        {"const": {"a": 1}},
        {"dependentRequired": {"a": ["b"]}},
    ]
)
_FEW: Any = {"min_size": 1, "max_size": 3}
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    PARTS,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abz"), inner, **_FEW),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|o"]), inner, **_FEW),
            "additionalProperties": inner | st.just(False),
            "propertyNames": inner,
            "items": inner,
            "prefixItems": st.lists(inner, **_FEW),
            "contains": inner,
            "allOf": st.lists(inner, **_FEW),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "dependentSchemas": st.dictionaries(st.sampled_from("ab"), inner, **_FEW),
            "maxItems": st.just(1),
        },
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(schema=SCHEMAS, data=INSTANCES)
def test_without_unions_both_ways_find_the_same(schema: Any, data: Any) -> None:
    listed, walked = _both_ways(schema)
    describer = compile_validator(schema).compile().describer
    first, second = listed.errors(data, 1000), walked.errors(data, 1000)
    assert first.number == second.number
    assert [describer.violation(error, data) for error in first.errors] == [
        describer.violation(error, data) for error in second.errors
    ]


def _tagged_tree() -> dict[str, Any]:
    def node(tag: str, **properties: Any) -> dict[str, Any]:
        wanted = {"op": {"const": tag}, **properties}
        return {"type": "object", "properties": wanted, "required": list(wanted)}

    again = {"$ref": "#/$defs/f"}
    branches = [
        node("and", args={"type": "array", "items": again}),
        node("not", arg=again),
        node("eq", field={"type": "string"}, value={"type": ["integer", "null"]}),
        {"type": "boolean"},
    ]
    return {**again, "$defs": {"f": {"anyOf": branches}}}


TAGGED: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, 5, {"op": "eq", "field": 5, "value": "x"}, {"op": "eq"}, {"op": 7}]),
    lambda inner: (
        st.fixed_dictionaries({"op": st.just("and"), "args": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"op": st.sampled_from(["not", "or"]), "arg": inner})
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(data=TAGGED)
def test_of_small_data_the_list_says_what_the_walk_would(data: Any) -> None:
    schema = _tagged_tree()
    data = json.loads(json.dumps(data))
    listed, walked = _both_ways(schema)
    describer = compile_validator(schema).compile().describer
    first, second = listed.errors(data, 1000), walked.errors(data, 1000)
    assert [describer.violation(error, data) for error in first.errors] == [
        describer.violation(error, data) for error in second.errors
    ]


def test_the_list_is_asked_where_the_value_is_small() -> None:
    growth = growth_of(Documents(TREE), frozenset({"$ref"}))
    assert not growth.is_listed_in_time
    assert growth.is_listed_soon({"a": [{"b": 5}]})
    assert growth.is_listed_soon(["x"] * 100)
    assert not growth.is_listed_soon(["x" * 100_000])
    assert not growth.is_listed_soon(["x"] * 10_000)
    assert not growth.is_listed_soon(json.loads("[" * 30 + "]" * 30))


TREE = {
    "anyOf": [
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "additionalProperties": {"$ref": "#"}},
        {"type": "string"},
    ]
}


def _explained(validator: Validator, data: Any) -> tuple[str, tuple[str, ...]]:
    report = validator.validate(data)
    assert not report
    assert not validator.is_valid(data)
    return report.errors[0].message, report.warnings


def test_where_the_search_was_given_up_the_report_says_so() -> None:
    validator = compile_validator(TREE, options=ValidationOptions(max_steps=1))
    data: Any = 5
    for _ in range(100):
        data = {"a": [data]}
    message, warnings = _explained(validator, data)
    assert message.endswith("is invalid; the search for the reason was given up (max_steps)")
    (warning,) = warnings
    assert "… and more" in warning
    assert "ValidationOptions.max_steps" in warning
    message, warnings = _explained(compile_validator(TREE), data)
    assert message.endswith("is an integer, not an array or an object or a string")
    assert warnings == ()


def test_max_steps_is_a_number() -> None:
    with pytest.raises(ConfigurationError, match="max_steps must be at least 1"):
        ValidationOptions(max_steps=0)


def test_a_pattern_given_up_is_told_under_a_recursive_union_too() -> None:
    hard = {"type": "string", "pattern": "^(?:a(?=a|c)|a)+$"}
    schema = {
        "anyOf": [
            hard,
            {"type": "object", "properties": {"a": {"$ref": "#"}}},
            {"type": "array", "items": {"$ref": "#"}},
        ]
    }
    validator = compile_validator(schema, options=ValidationOptions(regex="bounded"))
    assert validator.is_valid({"a": ["aa"]})
    assert not validator.validate({"a": ["b"]})
    for ask in (validator.is_valid, validator.validate, validator.check):
        with pytest.raises(ValidationLimitExceeded, match="given up after 10000 steps"):
            ask({"a": ["a" * 40 + "c"]})


def test_named_schemas_and_ids_are_walked_through() -> None:
    node = {
        "$id": "https://example.com/node.json",
        "anyOf": [
            {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "text.json"}}},
            {"type": "array", "items": {"$ref": "node.json"}},
        ],
    }
    resources: dict[str, Any] = {"node.json": node, "text.json": {"type": "string"}}
    validator = compile_validator({"items": {"$ref": "node.json"}}, resources=resources)
    (error,) = validator.validate([{"a": {"b": 5}}]).errors
    assert error.path == "/0"
    assert error.message.endswith(
        "/a fits none of 2 alternatives; by the nearest, /b is an integer, not a string"
    )


MANY_ERRORS: dict[str, tuple[Any, Any]] = {
    "items of another type": ({"items": {"type": "integer"}}, ["x"] * 50_000),
    "items that are no branch": ({"items": {"anyOf": [{"type": "null"}, False]}}, [1] * 20_000),
    "items that lack much": ({"items": {"required": [str(n) for n in range(3_000)]}}, [{}] * 3_000),
    "items of no long enum": ({"items": {"enum": list(range(20_000))}}, ["x"] * 500),
    "names that are too long": (
        {"propertyNames": {"maxLength": 2}},
        {f"name{n}": 1 for n in range(20_000)},
    ),
    "nothing is allowed": (False, [1] * 20_000),
}


@pytest.mark.parametrize("name", MANY_ERRORS)
@pytest.mark.parametrize("regex", ["linear", "bounded"])
def test_no_more_errors_are_made_than_anybody_reads(
    name: str, regex: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine makes all of them at once, a kilobyte and a copy of what it quotes for each."""
    schema, data = MANY_ERRORS[name]
    asked: list[Any] = []
    listed = compiled_schema._listed

    def counted(*args: Any) -> Any:
        asked.append(args)
        return listed(*args)

    # Before it is compiled, and compiled for this test alone.
    monkeypatch.setattr(compiled_schema, "_listed", counted)
    monkeypatch.setattr(evaluator, "_evaluators", {})
    validator = compile_validator(schema, options=ValidationOptions(regex=regex))
    report = validator.validate(data)
    assert not asked
    assert not report.is_valid
    assert 0 < len(report.errors) <= validator.options.max_errors


def test_a_report_says_that_members_were_left_out() -> None:
    report = compile_validator({"items": {"type": "integer"}}).validate(["x"] * 50_000)
    assert [error.path for error in report.errors[:2]] == ["/0", "/1"]
    assert any("… and more" in warning for warning in report.warnings)
