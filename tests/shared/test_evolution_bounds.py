"""Hostile and huge schemas end within a stated time, as unknown at worst.

What could hang or use up memory runs in a process of its own, with little of both.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ComparisonLimitExceeded, InvalidSchema
from llm_integrations.core.evolution import (
    Limits,
    check_compatibility,
    diff,
    migration_guide,
)
from llm_integrations.core.evolution.differences.instance_path import demanding
from llm_integrations.core.evolution.model.limits import Budget
from llm_integrations.core.evolution.normal_form.nodes import Workspace
from llm_integrations.core.evolution.patterns.samples import sample_pattern
from llm_integrations.core.evolution.proof import containment_oracle
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation import patterns
from llm_integrations.core.validation.compiled_schema import CompiledSchema, compile_schema
from llm_integrations.core.validation.patterns import PatternLimits

# Counting lines would take longer than what is counted here.
pytestmark = [
    pytest.mark.no_cover,
    pytest.mark.timeout(60),  # what the steps do not count would go on for minutes
]

Schema = dict[str, Any]

LIMITS = Limits(steps=10_000)
OVERSHOOT = 1.2  # a step that is under way when the budget ends may count for many


def defs(count: int, node: Callable[[int], Schema], last: Schema) -> Schema:
    found = {f"n{i}": node(i) for i in range(count)}
    return {"$ref": "#/$defs/n0", "$defs": {**found, f"n{count}": last}}


def ref(index: int) -> Schema:
    return {"$ref": f"#/$defs/n{index}"}


def obj(properties: Schema, **keywords: Any) -> Schema:
    return {"type": "object", "properties": properties, **keywords}


def least(value: int) -> Schema:
    return {"type": "integer", "minimum": value}


HOSTILE: dict[str, Callable[[int], Schema]] = {
    "500 properties": lambda d: obj({f"p{i}": least(i + d) for i in range(500)}),
    "500 properties that are unions": lambda d: obj(
        {f"p{i}": {"anyOf": [{"type": "string"}, least(i + d)]} for i in range(500)}
    ),
    "nested 40 deep": lambda d: reduce(lambda s, _: obj({"a": s}), range(40), least(d)),
    "10 anyOf of 10": lambda d: {
        "allOf": [
            {"anyOf": [obj({f"x{i}{k}": least(k + d)}, required=[f"x{i}{k}"]) for k in range(10)]}
            for i in range(10)
        ]
    },
    "anyOf of 10 within itself, 10 deep": lambda d: reduce(
        lambda s, _: {"anyOf": [obj({"n": s})] + [obj({"t": least(i + d)}) for i in range(9)]},
        range(10),
        least(d),
    ),
    "oneOf of 100": lambda d: {
        "oneOf": [obj({f"p{i}": least(i + d)}, required=[f"p{i}"]) for i in range(100)]
    },
    "20 conditions": lambda d: {
        "allOf": [
            {"if": {"required": [f"a{i}"]}, "then": obj({f"b{i}": least(d)})} for i in range(20)
        ]
    },
    "20 dependent schemas": lambda d: {
        "dependentSchemas": {f"a{i}": obj({f"b{i}": least(d)}) for i in range(20)}
    },
    "definitions that all use each other": lambda d: defs(
        10, lambda i: obj({f"c{k}": ref(k) for k in range(10)} | {"v": least(d)}), least(d)
    ),
    "references that fan out": lambda d: defs(
        25, lambda i: {"allOf": [ref(i + 1), ref(i + 1)]}, least(d)
    ),
    "properties that fan out": lambda d: defs(
        25, lambda i: obj({"a": ref(i + 1), "b": ref(i + 1)}), least(d)
    ),
    "a chain of 1,000 references": lambda d: defs(1000, lambda i: obj({"a": ref(i + 1)}), least(d)),
    "a reference to itself": lambda d: {"$ref": "#", "minimum": d},
    "20,000 values": lambda d: {"enum": [f"v{i}" for i in range(d, 20_000 + d)]},
    "patterns with many states": lambda d: {
        "type": "string",
        "allOf": [{"pattern": f"(a|b)*a(a|b){{{12 + i + d}}}$"} for i in range(5)],
    },
    "an array without end": lambda d: {"type": "array", "minItems": 10**9 + d},
    "steps without measure": lambda d: {"allOf": [{"multipleOf": 1e-300}, {"multipleOf": 7 + d}]},
    "1,000 conditions": lambda d: {
        "allOf": [
            {"if": {"properties": {"k": {"const": i}}}, "then": obj({f"b{i}": least(d)})}
            for i in range(1_000)
        ]
    },
    "conditions within conditions": lambda d: reduce(
        lambda s, i: {"if": {"required": [f"a{i}"]}, "then": s, "else": least(i + d)},
        range(40),
        least(d),
    ),
    "700 branches": lambda d: {
        "anyOf": [obj({f"p{i}": least(i + d)}, required=[f"p{i}"]) for i in range(700)]
    },
    "700 branches of one value": lambda d: {"anyOf": [{"const": i + d} for i in range(700)]},
    "oneOf of 1,000": lambda d: {
        "oneOf": [obj({"t": {"const": i}, "v": least(i + d)}) for i in range(1_000)]
    },
    "not in not": lambda d: reduce(lambda s, _: {"not": s}, range(90), least(d)),
    "not of anyOf in not": lambda d: reduce(
        lambda s, i: {"not": {"anyOf": [s, least(i)]}}, range(30), least(d)
    ),
    "1,500 property patterns": lambda d: obj(
        {}, patternProperties={f"^p{i}_": least(i + d) for i in range(1_500)}
    ),
    "1,000 properties and as many patterns": lambda d: obj(
        {f"p{i}_": least(d) for i in range(1_000)},
        patternProperties={f"^p{i}_": least(i + d) for i in range(1_000)},
        additionalProperties=False,
    ),
    "1,500 properties of other names": lambda d: obj(
        {f"p{d}_{i}": least(i) for i in range(1_500)}, additionalProperties=False
    ),
    "1,500 values that are objects": lambda d: {
        "enum": [{"a": [i, {"b": i}]} for i in range(600 * d, 1_500 + 600 * d)]
    },
    "1,500 required properties": lambda d: {
        "type": "object",
        "required": [f"r{i}" for i in range(600 * d, 1_500 + 600 * d)],
    },
    "a chain of 1,000 dependencies": lambda d: {
        "type": "object",
        "required": ["r0"],
        "dependentRequired": {f"r{i}": [f"r{i + 1}"] for i in range(1_000 + d)},
    },
    "1,500 items": lambda d: {
        "type": "array",
        "prefixItems": [least(i + d) for i in range(1_500)],
    },
    "a pattern that repeats much": lambda d: {"pattern": f"^(a{{0,{900 + d}}}b?){{50}}$"},
    "a long pattern": lambda d: {"pattern": f"^{'[a-z]?' * 5_000}{'x' * d}$"},
    "a pattern nested 90 deep": lambda d: {"pattern": "(" * 90 + "a" + ")*" * 90 + "b" * d},
    "objects that double 20 times": lambda d: defs(
        20, lambda i: obj({"a": ref(i + 1), "b": ref(i + 1)}, required=["a", "b"]), least(d)
    ),
    "arrays of arrays of 40": lambda d: defs(
        6, lambda i: {"type": "array", "items": ref(i + 1), "minItems": 40}, least(d)
    ),
    "names of a million letters": lambda d: obj({"a" * 1_000_000 + str(d): least(d)}),
    "a required name of a million letters": lambda d: obj({}, required=["a" * 1_000_000 + str(d)]),
    "a refusal of a large object": lambda d: {
        "not": obj({f"p{i}": obj({"q": least(d)}) for i in range(20)}, required=["p0"])
    },
}


STEPS = LIMITS.steps
PHASES = 4  # reading, proving, the search and the plan: all that one budget counts


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The most steps that one budget counted since the test began."""
    budgets: list[Budget] = []
    make = Budget.__init__

    def remembered(self: Budget, limits: Limits) -> None:
        make(self, limits)
        budgets.append(self)

    monkeypatch.setattr(Budget, "__init__", remembered)
    return lambda: max((budget.spent for budget in budgets), default=0)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_schema_ends_in_time(
    make: Callable[[int], Schema], spent: Callable[[], int]
) -> None:
    old, new = make(0), make(1)
    report = check_compatibility(new, [old], "FULL", limits=LIMITS)
    assert spent() < (PHASES - 1) * STEPS * OVERSHOOT
    assert report.is_compatible or report.violations or report.unknown
    assert all(item.reason for item in report.unknown)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_guide_of_a_hostile_schema_ends_in_time_and_shows_little(
    make: Callable[[int], Schema], spent: Callable[[], int]
) -> None:
    with contextlib.suppress(InvalidSchema, ComparisonLimitExceeded):
        guide = migration_guide(make(0), make(1), limits=LIMITS)
        assert len(json.dumps([v.witness for v in guide.violations[:1]])) < 300_000
        assert len(json.dumps(guide.example and guide.example.before)) < 300_000
    assert spent() < PHASES * STEPS * OVERSHOOT


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_schema_is_compatible_with_itself(make: Callable[[int], Schema]) -> None:
    assert check_compatibility(make(0), [make(0)], "FULL", limits=LIMITS)


def test_what_is_nested_too_deep_is_unknown_and_says_so() -> None:
    deep = reduce(lambda s, _: obj({"a": s}), range(70), least(0))
    report = check_compatibility({"type": "object"}, [deep], "FORWARD")
    assert "nested deeper" in report.unknown[0].reason


def test_python_objects_nested_without_measure_do_no_harm() -> None:
    bottomless: Schema = {}
    for _ in range(20_000):
        bottomless = {"not": bottomless}
    with pytest.raises(InvalidSchema):
        check_compatibility(bottomless, [{}])
    assert not check_compatibility({"type": "string"}, [bottomless])


def test_a_search_that_is_over_draws_no_further_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def counted(pattern: str, pick: Any) -> str | None:
        drawn.append(pattern)
        return sample_pattern(pattern, pick)

    monkeypatch.setattr(f"{demanding.__module__}.sample_pattern", counted)
    make = HOSTILE["1,500 property patterns"]
    report = check_compatibility(make(1), [make(0)], limits=LIMITS)
    assert report.unknown
    assert 0 < len(drawn) < 100


# Instances of the union that a schema asks for at a depth: all branches differ by their tag.
DEEP = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.evolution import migration_guide
from llm_integrations.core.evolution.model.limits import Budget, Limits
from llm_integrations.core.evolution.normal_form.nodes import Workspace
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle

def node(tag, **properties):
    tagged = {"op": {"enum": [tag]}, **properties}
    return {"type": "object", "properties": tagged, "required": list(tagged)}

def union(keyword, variants, field):
    args = {"type": "array", "items": {"$ref": "#/$defs/f"}}
    inner = [node(f"op{i}", args=args) for i in range(variants)]
    return {keyword: [*inner, node("eq", field=field)]}

def oracle(definitions, options):
    workspace = Workspace(Budget(Limits()))
    workspace.definitions.update(definitions)
    return ContainmentOracle(workspace, options)
"""


def ends(program: str, *arguments: str) -> str:
    """What a program printed, if it ended in time and in two gigabytes."""
    done = subprocess.run(
        [sys.executable, "-c", DEEP + textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout.strip()


DEEPEST_SHOWN = 11  # levels of an array within an object that an instance is made with


@pytest.mark.parametrize(
    ("keyword", "variants", "levels"),
    [("anyOf", 2, 10), ("anyOf", 31, 4), ("oneOf", 8, 8), ("anyOf", 4, 22)],
)
def test_the_guide_of_a_deep_witness_ends(keyword: str, variants: int, levels: int) -> None:
    program = """
        import sys
        keyword, variants, levels = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        deep = {"type": "object", "properties": {"op": {"enum": ["eq"]}}}
        for _ in range(levels):
            args = {"type": "array", "minItems": 1, "items": deep}
            deep = {"type": "object", "properties": {"args": args}, "required": ["op", "args"]}

        def schema(field):
            union_of = union(keyword, variants, field)
            return {"allOf": [{"$ref": "#/$defs/f"}, deep], "$defs": {"f": union_of}}

        guide = migration_guide(schema({"type": ["string", "integer"]}), schema({"type": "string"}))
        for item in guide.violations:
            depth, value = 0, item.witness
            while "args" in value:
                depth, value = depth + 1, value["args"][0]
            print("shown", depth)
        print(guide.breaks_readers, len(guide.to_markdown()) < 50_000)
    """
    shown, end = f"shown {levels}\n", "True True"
    printed = ends(program, keyword, str(variants), str(levels))
    assert printed == (end if levels > DEEPEST_SHOWN else shown + end)


def test_a_verdict_on_any_node_ends_where_references_fan_out() -> None:
    program = """
        both = lambda n: {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2}
        definitions = {**{f"n{n}": both(n) for n in range(60)}, "n60": {"type": ["integer"]}}
        asked = oracle(definitions, ValidationOptions())
        for value in (1, "a"):
            print(asked.is_valid({"$ref": "#/$defs/n0"}, value).value)
    """
    assert ends(program).split() == ["yes", "no"]


def test_a_verdict_on_deep_data_ends_where_patterns_look_around() -> None:
    program = """
        field = {"type": ["string"], "pattern": "^(?=a)"}
        asked = oracle({"f": union("anyOf", 3, field)}, ValidationOptions(regex="bounded"))
        for text in ("a", "b"):
            data = {"op": "eq", "field": text}
            for _ in range(24):
                data = {"op": "op0", "args": [data]}
            print(asked.is_valid({"$ref": "#/$defs/f"}, data).value)
    """
    assert ends(program).split() == ["yes", "no"]


def test_a_witness_takes_no_validator_for_each_text_and_number_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[object] = []

    def counted(
        documents: Documents, options: ValidationOptions, *, limits: PatternLimits
    ) -> CompiledSchema:
        compiled.append(documents.root)
        return compile_schema(documents, options, limits=limits)

    monkeypatch.setattr(containment_oracle, "compile_schema", counted)
    properties = {f"p{i}": {"enum": ["a", f"b{i}"]} for i in range(30)}
    old = obj({**properties, "n": least(0)}, required=[*properties, "n"])
    new = obj({**properties, "n": least(5)}, required=old["required"])
    assert check_compatibility(new, [old]).violations
    assert len(compiled) < 5


def test_each_question_that_compiles_large_patterns_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def counted(schema: Schema, **options: Any) -> jsonschema_rs.CanonicalSchema:
        asked.append(schema)
        return canonicalize(schema, **options)

    canonicalize = jsonschema_rs.canonicalize
    monkeypatch.setattr(jsonschema_rs, "canonicalize", counted)
    old, new = (
        {"allOf": [{"pattern": f"^((((a{n}|{end}){{40,90}}x){{3}}))"} for n in range(40)]}
        for end in "bc"
    )
    assert check_compatibility(new, [old]).unknown
    assert 0 < len(asked) < 40


def test_properties_that_require_each_other_are_no_question_of_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Schema] = []

    def noted(schema: Schema, **options: Any) -> jsonschema_rs.CanonicalSchema:
        asked.append(schema)
        return canonicalize(schema, **options)

    canonicalize = jsonschema_rs.canonicalize
    monkeypatch.setattr(jsonschema_rs, "canonicalize", noted)
    make = HOSTILE["a chain of 1,000 dependencies"]
    assert not check_compatibility(make(1), [make(0)], "FULL", limits=LIMITS)
    assert max(len(schema.get("dependentRequired", ())) for schema in asked) <= 10


def test_what_was_left_out_is_noted() -> None:
    many = HOSTILE["500 properties"]
    report = check_compatibility(many(1), [many(0)])
    assert len(report.violations) == 50
    assert "450 further changes" in report.notes[0]


def test_a_comparison_that_is_cut_says_so() -> None:
    make = HOSTILE["700 branches"]
    report = check_compatibility(make(1), [make(0)], limits=Limits(steps=5_000))
    assert "more than 5,000 steps" in report.unknown[0].reason
    with pytest.raises(ComparisonLimitExceeded, match="more than 5 steps"):
        diff({"minimum": 1}, {"minimum": 2}, limits=Limits(steps=5))


def test_out_of_steps_a_report_names_all_changes_and_gives_one_reason_for_many() -> None:
    old = obj({f"p{i}": least(0) for i in range(40)})
    new = obj({f"p{i}": least(5) for i in range(40)})
    limits = Limits(steps=1_500)
    report = check_compatibility(new, [old], limits=limits)
    assert len(report.breaking) == 40
    shown = {change.path for item in report.violations for change in item.changes}
    open_ones = {change.path for item in report.unknown for change in item.changes}
    assert shown | open_ones == {change.path for change in report.breaking}
    assert len(report.unknown) == len({item.reason for item in report.unknown}) == 1
    for number in range(40):
        assert f"/properties/p{number}/minimum" in str(report)
    guide = migration_guide(old, new, limits=limits)
    assert len(guide.actions) == 40
    assert guide.breaks_readers
    assert guide.unknown
    assert type(report).from_dict(json.loads(report.to_json())) == report


def test_a_no_names_all_breaking_changes_however_many_are_shown() -> None:
    many = HOSTILE["500 properties"]
    report = check_compatibility(many(1), [many(0)])
    assert len(report.breaking) == 500
    assert not report.unknown


def test_what_is_too_large_is_no_fault_of_the_schemas() -> None:
    old = obj({f"p{i}": least(0) for i in range(40)})
    new = obj({f"p{i}": least(5) for i in range(40)})
    limits = Limits(nodes=20)
    guide = migration_guide(old, new, limits=limits)
    assert (guide.breaks_readers, guide.breaks_writers) == (True, True)
    assert "Not compared" in guide.summary
    assert "more than 20 values" in guide.to_markdown()
    assert "more than 20 values" in check_compatibility(new, [old], limits=limits).unknown[0].reason
    with pytest.raises(ComparisonLimitExceeded, match="more than 20 values"):
        diff(old, new, limits=limits)
    assert not issubclass(ComparisonLimitExceeded, InvalidSchema)


def test_a_list_of_differences_that_is_cut_is_an_error_that_has_what_was_found() -> None:
    old = obj({f"p{i}": least(0) for i in range(200)})
    new = obj({f"p{i}": least(5) for i in range(200)})
    with pytest.raises(ComparisonLimitExceeded, match="could be listed") as raised:
        diff(old, new, limits=Limits(steps=1_000))
    assert 0 < len(raised.value.changes) < 200
    assert pickle.loads(pickle.dumps(raised.value)).changes == raised.value.changes


def test_the_same_comparison_ends_at_the_same_step(spent: Callable[[], int]) -> None:
    make, limits = HOSTILE["anyOf of 10 within itself, 10 deep"], Limits(steps=20_000)
    counted = []
    for _ in range(2):
        check_compatibility(make(1), [make(0)], "FULL", limits=limits)
        counted.append(spent())
    assert counted[0] == counted[1]


def test_a_long_example_is_cut_with_a_word_that_says_so() -> None:
    wide = obj({"a": {"type": "array", "default": [*range(400)]}, "b": {"type": "string"}})
    wide["required"] = ["a"]
    new = {**wide, "required": ["a", "c"], "properties": {**wide["properties"], "c": least(0)}}
    text = migration_guide(wide, new).to_markdown()
    assert "more lines" in text


KEYWORDS = ("allOf", "anyOf", "oneOf")


def schemas() -> st.SearchStrategy[Schema]:
    leaves: st.SearchStrategy[Schema] = st.sampled_from(
        [{"type": "string"}, {"const": 1}, {"$ref": "#"}, {"$ref": "#/$defs/r"}, {"minimum": 3},
         {"pattern": "^(a|b)*a(a|b){9}$"}, {"required": ["a"]}, {"enum": [1, "a", None]}, {}]
    )  # fmt: skip

    def larger(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
        several = st.lists(inner, min_size=1, max_size=6)
        return st.one_of(
            st.builds(lambda keyword, parts: {keyword: parts}, st.sampled_from(KEYWORDS), several),
            st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
            st.builds(lambda a: {"not": a}, inner),
            st.builds(lambda a, b: obj({"a": a, "b": b}, required=["a"]), inner, inner),
            st.builds(lambda a: {"type": "array", "items": a, "minItems": 2}, inner),
            st.builds(lambda a, b: {"allOf": [a], "unevaluatedProperties": b}, inner, inner),
        )

    return st.recursive(leaves, larger, max_leaves=25)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schemas(), schemas(), schemas())
def test_no_call_exceeds_its_steps_on_random_schemas(
    spent: Callable[[], int], old: Schema, new: Schema, shared: Schema
) -> None:
    limits = Limits(steps=4_000)
    old, new = ({"allOf": [s], "$defs": {"r": obj({"n": shared})}} for s in (old, new))
    for call in (
        lambda: check_compatibility(new, [old], "FULL", limits=limits),
        lambda: diff(old, new, limits=limits),
        lambda: migration_guide(old, new, limits=limits),
    ):
        with contextlib.suppress(InvalidSchema, ComparisonLimitExceeded):
            call()
    assert spent() < PHASES * limits.steps * OVERSHOOT


ASK = """
import json, sys
from llm_integrations.core.evolution import check_compatibility, diff, migration_guide
for line in sys.stdin:
    one, other = json.loads(line)
    for old, new in ((one, other), (other, one)):
        check_compatibility(new, [old], "FULL"), diff(old, new), migration_guide(old, new)
    print("ended", flush=True)
"""
PAIRS = Path(__file__).parents[1] / "fixtures" / "recursive_unevaluated.jsonl"
"""Each of them once filled the stack of jsonschema-rs, which ends the process."""


def test_what_recursive_definitions_leave_unevaluated_does_not_end_the_process() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ASK],
        input=PAIRS.read_text(),
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (ran.returncode, ran.stdout.count("ended")) == (0, 3), ran.stderr[-2000:]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@pytest.mark.parametrize("more", [{}, {"minProperties": 1}, {"maxLength": 5}])
def test_names_that_are_judged_by_the_schema_of_their_object_end_in_an_answer(
    keyword: str, more: Schema
) -> None:
    node = {keyword: [{"propertyNames": ref(0), "type": "object"}, {"maxLength": 3}]}
    named = {**ref(0), "$defs": {"n0": {**node, **more}}}
    for old, new in [(named, {"type": "object"}), ({"type": "object"}, named), ({}, named)]:
        check_compatibility(new, [old], level="FULL")
        migration_guide(old, new)


def test_each_of_thousands_of_patterns_is_measured_once() -> None:
    made = [f"^[a-z]{{{n % 7 + 1}}}measured{n}$" for n in range(2_200)]
    old = {"properties": {f"p{n}": {"pattern": pattern} for n, pattern in enumerate(made)}}
    before = patterns._bytes_of_short.cache_info().misses
    migration_guide(old, {**old, "required": ["p0"]})
    assert patterns._bytes_of_short.cache_info().misses - before == len(made)


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_a_question_about_nodes_that_say_the_same_is_asked_once_and_counted_each_time(
    keyword: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    canonicalize = jsonschema_rs.canonicalize

    def counted(schema: Any, **options: Any) -> Any:
        asked.append(schema)
        return canonicalize(schema, **options)

    monkeypatch.setattr(jsonschema_rs, "canonicalize", counted)
    workspace = Workspace(Budget(Limits()))
    workspace.definitions["text"] = {"type": ["string"], "pattern": "^a"}
    oracle = containment_oracle.ContainmentOracle(workspace, ValidationOptions())

    def both() -> tuple[bool, bool, bool, int]:
        goal = {keyword: [{"$ref": "#/$defs/text"}, {"type": ["null"]}]}
        before = workspace.budget.spent
        premises = [{"type": ["string"]}, {"enum": ["ab", "ac"]}]
        narrower = oracle.covers(goal, premises)
        wider = oracle.covers({"pattern": "^ab"}, [{"type": ["string"], "pattern": "^a"}])
        empty = oracle.unsatisfiable([*premises, {"type": ["null"]}])
        return narrower, wider, empty, workspace.budget.spent - before

    both()  # the first time counts what it takes to learn which definitions use which
    questions = len(asked)
    second, third = both(), both()
    assert second == third
    assert second[:3] == (True, False, True)
    assert second[3] > 600
    assert len(asked) == questions
