"""Hostile and huge schemas end within a stated time, as unknown at worst."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.evolution import Limits, check_compatibility

Schema = dict[str, Any]

SECONDS = 0.4
LIMITS = Limits(seconds=SECONDS)
ENDS_WITHIN = 8.0  # seconds: three times SECONDS, one long question, and a busy machine


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
    "a refusal of a large object": lambda d: {
        "not": obj({f"p{i}": obj({"q": least(d)}) for i in range(20)}, required=["p0"])
    },
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_schema_ends_in_time(make: Callable[[int], Schema]) -> None:
    old, new = make(0), make(1)
    started = time.process_time()  # what others on the machine do is no part of the bound
    report = check_compatibility(new, [old], "FULL", limits=LIMITS)
    assert time.process_time() - started < ENDS_WITHIN
    assert report.is_compatible or report.violations or report.unknown
    assert all(item.reason for item in report.unknown)


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


def test_what_was_left_out_is_noted() -> None:
    many = HOSTILE["500 properties"]
    report = check_compatibility(many(1), [many(0)])
    assert len(report.violations) == 50
    assert "450 further changes" in report.notes[0]
