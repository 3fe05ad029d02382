"""However deep, cyclic or costly data and schemas are: the process lives, and there is an answer.

What could crash runs in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    LLMIntegrationsError,
    ValidationLimitExceeded,
)
from llm_integrations.core.validation import compile_validator
from llm_integrations.core.validation.patterns import PatternLimits, _at_most
from llm_integrations.core.validation.plain import is_plain

TREE: dict[str, Any] = {"type": ["array", "integer"], "items": {"$ref": "#"}}

PRELUDE = """
import threading
from llm_integrations.core.validation import ValidationOptions, compile_validator
from llm_integrations.core.errors import InvalidSchema

def lists(depth, leaf=1):
    value = leaf
    for _ in range(depth):
        value = [value]
    return value

def dicts(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value

def in_small_thread(kilobytes, task):
    threading.stack_size(kilobytes * 1024)
    thread = threading.Thread(target=task)
    thread.start()
    thread.join()
"""


def nested(depth: int, leaf: Any = 1) -> Any:
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


def survives(program: str) -> str:
    """Run a program in a process of its own; what it printed, if it lived."""
    # Leaving without clean-up: freeing an object 20,000 deep is the interpreter's business.
    code = (
        f"import os\n{PRELUDE}\n{textwrap.dedent(program)}\nos.write(1, OUT.encode()); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr or f"died of signal {-done.returncode}"
    return done.stdout


def test_data_20_000_deep_neither_crashes_nor_passes_a_recursive_schema() -> None:
    printed = survives("""
        tree = {"items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}}
        OUT = ""
        named = {"$ref": "#/$defs/t", "$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}}
        dynamic = {"$dynamicAnchor": "t", "items": {"$dynamicRef": "#t"}}
        for schema in (tree, named, dynamic):
            validator = compile_validator(schema)
            for value in (lists(20_000), [lists(20_000), dicts(20_000)]):
                OUT += str(validator.is_valid(value)) + validator.validate(value).errors[0].keyword
    """)
    assert printed == "Falsemax_depth" * 6


def test_data_20_000_deep_does_not_crash_any_other_schema() -> None:
    printed = survives("""
        OUT = ""
        deep = [lists(20_000), lists(20_000)]
        schemas = ({"type": "array"}, {"type": "string"}, {"uniqueItems": True}, {"const": [[[]]]},
                   {"enum": [1, [[]]]}, {"contains": {"type": "string"}}, True, {"minItems": 3},
                   {"prefixItems": [{"type": "array"}]}, {"unevaluatedItems": False},
                   {"not": {"type": "array"}}, {"anyOf": [{"type": "string"}, {"minItems": 9}]})
        for schema in schemas:
            for nulls in ("strict", "absent"):
                validator = compile_validator(schema, options=ValidationOptions(nulls=nulls))
                assert validator.is_valid(deep) == validator.validate(deep).is_valid
                OUT += "."
        assert compile_validator({"type": "array"}).is_valid(deep)
        assert compile_validator({"type": "object"}).is_valid(dicts(20_000))
    """)
    assert len(printed) == 24


@pytest.mark.parametrize("kilobytes", [256, 512])
def test_threads_with_small_stacks_survive_the_deepest_data_that_is_judged(kilobytes: int) -> None:
    printed = survives(f"""
        OUT = ""
        def work():
            global OUT
            options = ValidationOptions(max_depth=250, nulls="absent")
            for options, depth in ((ValidationOptions(), 200), (options, 250)):
                schema = {{"type": ["array", "integer"], "items": {{"$ref": "#"}}}}
                tree = compile_validator(schema, options=options)
                OUT += str(tree.is_valid(lists(depth))) + str(tree.is_valid(lists(depth + 1)))
                OUT += tree.validate(lists(depth, "x")).errors[0].keyword
        in_small_thread({kilobytes}, work)
    """)
    assert printed == "TrueFalsetype" * 2


def test_a_schema_200_deep_compiles_in_a_thread_with_a_small_stack() -> None:
    printed = survives("""
        OUT = ""
        schema = {"type": "integer"}
        for _ in range(200):
            schema = {"items": schema}
        def work():
            global OUT
            validator = compile_validator(schema)
            OUT += str(validator.is_valid(lists(200))) + str(validator.is_valid(lists(200, "x")))
        in_small_thread(256, work)
    """)
    assert printed == "TrueFalse"


def test_a_schema_nested_without_end_is_refused() -> None:
    printed = survives("""
        OUT = ""
        def nest(depth, wrap):
            schema = {}
            for _ in range(depth):
                schema = wrap(schema)
            return schema
        cyclic = {}
        cyclic["items"] = cyclic
        schemas = [nest(n, wrap) for n in (300, 20_000) for wrap in (
            lambda s: {"items": s}, lambda s: {"enum": [s]}, lambda s: {"allOf": [s]})]
        for schema in [*schemas, cyclic]:
            try:
                compile_validator(schema)
            except InvalidSchema:
                OUT += "."
    """)
    assert len(printed) == 7


def test_references_that_chase_each_other_end() -> None:
    printed = survives("""
        OUT = ""
        ring = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
        chain = {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(5000)} | {"5000": {}}
        deeper = {
            str(n): {"items": {"$ref": f"#/$defs/{n + 1}"}} for n in range(5000)
        } | {"5000": {}}
        schemas = (
            {"$ref": "#"},
            {"allOf": [{"$ref": "#"}]},
            {"not": {"$ref": "#"}},
            {"if": {"$ref": "#"}},
            {"$ref": "#/$defs/a", "$defs": ring},
            {"$dynamicAnchor": "x", "$dynamicRef": "#x"},
            {"$ref": "#/$defs/0", "$defs": chain},
            {"$ref": "#/$defs/0", "$defs": deeper},
        )
        for schema in schemas:
            validator = compile_validator(schema)
            validator.validate(1)
            validator.validate(lists(20_000))
            OUT += "."
    """)
    assert len(printed) == 8


def test_data_as_deep_as_allowed_is_judged_and_one_level_more_is_not() -> None:
    tree = compile_validator(TREE)
    assert tree.is_valid(nested(200))
    assert not tree.is_valid(nested(201))
    assert not tree.is_valid(nested(200, "leaf"))
    assert tree.is_valid((nested(199),))
    assert not tree.is_valid((nested(200),))
    (error,) = tree.validate(nested(201)).errors
    assert (error.path, error.keyword) == ("", "max_depth")
    assert error.message == "is nested deeper than 200 levels"


def test_the_depth_is_an_option() -> None:
    shallow = compile_validator(TREE, options=ValidationOptions(max_depth=3))
    assert shallow.is_valid([[[1]]])
    assert not shallow.is_valid([[[[1]]]])


def test_a_depth_that_no_stack_would_hold_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_depth"):
        ValidationOptions(max_depth=100_000)


def test_a_schema_without_recursion_bounds_the_depth_by_itself() -> None:
    flat = compile_validator({"type": "array", "items": {"type": "array"}})
    assert flat.is_valid(nested(900))
    assert not flat.is_valid([*nested(900), "x"])


def test_shared_parts_and_cycles_take_no_more_time_than_their_size() -> None:
    shared: Any = [1]
    for _ in range(100):
        shared = [shared, shared]
    loop: list[Any] = []
    loop.extend([loop, loop, loop])
    started = time.perf_counter()
    assert is_plain(shared, 200)
    assert not is_plain(shared, 100)
    assert not is_plain(loop, 200)
    assert not compile_validator(TREE).is_valid(loop)
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)b", "(?!a)b", "(?<=a)b", r"(a)\1"],
    ids=["ahead", "not ahead", "behind", "back"],
)
def test_patterns_that_may_take_for_ever_are_refused_with_the_reason(pattern: str) -> None:
    schemas: list[dict[str, Any]] = [{"pattern": pattern}, {"patternProperties": {pattern: {}}}]
    for schema in schemas:
        with pytest.raises(InvalidSchema, match=r"linear time.*regex='bounded'"):
            compile_validator(schema)


def test_what_is_no_pattern_at_all_is_refused_as_such() -> None:
    for options in (ValidationOptions(), ValidationOptions(regex="bounded")):
        with pytest.raises(InvalidSchema, match=r"'\(a' is no regular expression"):
            compile_validator({"pattern": "(a"}, options=options)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:" + "(a|b)*" * 300 + "){90}",  # 2 kB that took a gigabyte for any text
        "(a|b)*" * 37_449,  # and this 89
        "(?:" + r"(a|b)*\b" * 300 + "){30}",
        "|".join(f"(word{number})" for number in range(8000)),
    ],
    ids=["repeated", "long", "edges of words", "words"],
)
def test_a_pattern_whose_groups_would_fill_the_memory_is_refused(pattern: str) -> None:
    behind: dict[str, Any] = {"$ref": "#/$defs/x", "$defs": {"x": {"pattern": pattern}}}
    schemas: list[dict[str, Any]] = [{"pattern": pattern}, {"patternProperties": {pattern: {}}}]
    for schema in (*schemas, behind):
        with pytest.raises(InvalidSchema, match="too much space"):
            compile_validator(schema)
    try:  # there edges of words are looked for in steps, which are bounded
        bounded = compile_validator(behind, options=BOUNDED)
    except InvalidSchema:
        return
    with pytest.raises(ValidationLimitExceeded):
        bounded.is_valid("é" * 3000)


def test_patterns_share_the_memory_that_their_groups_may_take() -> None:
    each = "(?:" + "(a|b)*" * 50 + "){300}"
    several = {str(n): {"pattern": f"{each}{n}"} for n in range(20)}  # 5 kB that took 4 GB
    assert compile_validator({"properties": {"0": several["0"]}}).is_valid({"0": "0"})
    with pytest.raises(InvalidSchema, match="too much space"):
        compile_validator({"properties": several})


@pytest.mark.parametrize("options", [ValidationOptions(), ValidationOptions(regex="bounded")])
@pytest.mark.parametrize(
    "pattern",
    [r"^\p{L}{100}x%d", r"^\b(((\p{L}{100})))x%d\b"],
    ids=["no groups", "edges of words"],
)
def test_patterns_share_the_memory_that_they_take_compiled(
    pattern: str, options: ValidationOptions
) -> None:
    several: dict[str, Any] = {
        pattern % number: {} for number in range(200)
    }  # 4 kB that took 0.9 to 4 GB
    for schema in ({"patternProperties": several}, {"anyOf": [{"pattern": p} for p in several]}):
        with pytest.raises(InvalidSchema, match="too much space, or all patterns do together"):
            compile_validator(schema, options=options)


def test_what_many_repeats_take_is_no_long_number() -> None:
    """Multiplying them all took as long as the square of their number."""
    assert _at_most("a{99}" * 10_000).bit_length() < 300


def test_many_patterns_that_take_little_are_none_of_these() -> None:
    usual = [r"^[a-z][a-z0-9_-]{0,63}\.%d$", r"^(\d{4})-(\d\d)-(\d\d)_%d$", r"^\p{L}{1,10}x%d$"]
    several: dict[str, Any] = {pattern % number: {} for pattern in usual for number in range(60)}
    validator = compile_validator({"patternProperties": several, "additionalProperties": False})
    assert validator.is_valid({"2026-01-01_7": 1, "straßex59": 2})
    assert not validator.is_valid({"2026-1-01_7": 1})


def test_patterns_share_the_memory_in_which_states_are_kept() -> None:
    one, thousand = PatternLimits(1).states, PatternLimits(1_000).states
    assert 2**14 < thousand < one
    assert thousand * 1_000 <= 2**27  # bytes; one of 30 characters came to keep 2.8 MB


@pytest.mark.parametrize(
    "pattern",
    [
        "|".join(f"(word{number})" for number in range(3000)),
        "|".join(rf"\b(word{number})\b" for number in range(1000)),
        "(?:word|other)*" * 10_000,
        "(?:" + "(a|b)*" * 20 + "){800}",
    ],
    ids=["groups", "edges of words", "no groups", "repeated"],
)
def test_a_large_pattern_that_takes_little_is_none_of_these(pattern: str) -> None:
    assert compile_validator({"pattern": pattern}).is_valid("word1")


def test_linear_patterns_stay_quick_on_text_made_to_hurt() -> None:
    validator = compile_validator({"pattern": "^(a+)+$"})
    started = time.perf_counter()
    assert not validator.is_valid("a" * 100_000 + "b")
    assert time.perf_counter() - started < 30


BOUNDED = ValidationOptions(regex="bounded")
HARD: dict[str, Any] = {"pattern": "^(?:a(?=a|c)|a)+$"}
HURTS = "a" * 40 + "c"


def test_bounded_patterns_may_look_around() -> None:
    password = {"pattern": r"^(?=.*\d)(?=.*[a-z]).{8,}$"}
    validator = compile_validator({"properties": {"p": password}}, options=BOUNDED)
    assert validator.is_valid({"p": "abcdefg1"})
    assert not validator.is_valid({"p": "abcdefgh"})
    assert [e.keyword for e in validator.validate({"p": "x"}).errors] == ["pattern"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (HARD, HURTS),
        ({"not": HARD}, HURTS),
        ({"anyOf": [HARD, {"type": "integer"}]}, HURTS),
        ({"oneOf": [HARD, {"type": "string"}]}, HURTS),
        ({"if": HARD, "then": False}, HURTS),
        ({"contains": HARD}, [HURTS]),
        ({"propertyNames": HARD}, {HURTS: 1}),
        ({"patternProperties": {HARD["pattern"]: False}}, {HURTS: 1}),
        ({"properties": {"a": {"items": HARD}}}, {"a": [HURTS]}),
        ({"dependentSchemas": {"a": {"properties": {"a": HARD}}}}, {"a": HURTS}),
        ({"unevaluatedProperties": False, "patternProperties": {HARD["pattern"]: {}}}, {HURTS: 1}),
    ],
)
def test_a_pattern_that_hits_its_limit_is_an_error_and_no_verdict(
    schema: dict[str, Any], value: Any
) -> None:
    validator = compile_validator(schema, options=BOUNDED)
    started = time.perf_counter()
    for ask in (validator.is_valid, validator.validate, validator.check):
        with pytest.raises(ValidationLimitExceeded, match="given up after 10000 steps") as caught:
            ask(value)
        assert HURTS not in str(caught.value)
    assert time.perf_counter() - started < 30


def test_the_limit_counts_for_objects_and_nulls_too() -> None:
    validator = compile_validator(
        {"items": HARD}, options=ValidationOptions(regex="bounded", nulls="absent")
    )
    with pytest.raises(ValidationLimitExceeded):
        validator.is_valid((HURTS,))
    assert validator.is_valid(("aac",)) is False
    assert validator.is_valid(("aa",)) is True
    assert validator.is_valid(()) is True


def test_a_limit_is_one_of_our_errors_and_not_a_value_error() -> None:
    assert issubclass(ValidationLimitExceeded, LLMIntegrationsError)
    assert not issubclass(ValidationLimitExceeded, ValueError)
