"""Unions: recursive, large, tagged or not, by patterns and by values."""

from __future__ import annotations

import copy
import itertools
import random
from typing import Any

import pytest

from llm_integrations.core.evolution import check_compatibility, diff
from llm_integrations.core.validation import compile_validator

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}


def variant(kind: str, *, required: bool = True, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"kind": {"const": kind}, **properties},
        "required": ["kind"] if required else [],
        "additionalProperties": False,
    }


def expression(value: Schema, word: str = "oneOf") -> Schema:
    """An expression tree as pydantic writes it: the union stands wherever it is used."""
    union = {word: [{"$ref": f"#/$defs/{name}"} for name in ("lit", "add", "mul", "neg")]}
    binary: Schema = {"left": union, "right": union}
    definitions = {
        "lit": variant("lit", value=value),
        "add": variant("add", **binary),
        "mul": variant("mul", **binary, of={"type": "array", "items": union}),
        "neg": variant("neg", of={"anyOf": [union, {"type": "null"}]}),
    }
    return {"$defs": definitions, **copy.deepcopy(union)}


@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
def test_a_recursive_union_that_is_written_out_at_each_use_is_decided(word: str) -> None:
    whole, wider = expression(INTEGER, word), expression({"type": "number"}, word)
    assert check_compatibility(wider, [whole])
    report = check_compatibility(whole, [wider])
    assert not report.unknown
    assert compile_validator(wider).is_valid(report.violations[0].witness)
    assert not compile_validator(whole).is_valid(report.violations[0].witness)


def variants(*, word: str, required: bool, number: int = 120) -> Schema:
    named = {
        f"V{i}": variant(f"v{i}", required=required, a=INTEGER, b=STRING) for i in range(number)
    }
    items = {word: [{"$ref": f"#/$defs/{name}"} for name in named]}
    return {"$defs": named, "type": "array", "items": items}


def edited(schema: Schema, edit: str) -> Schema:
    made = copy.deepcopy(schema)
    [branches] = made["items"].values()
    named = made["$defs"]
    match edit:
        case "added":
            named["W"] = variant("w", c=INTEGER)
            branches.append({"$ref": "#/$defs/W"})
        case "removed":
            branches.pop(5)
        case "widened":
            named["V7"]["properties"]["a"] = {"type": "number"}
        case "narrowed":
            named["V7"]["properties"]["b"] = {**STRING, "maxLength": 3}
        case "each with another property":
            for item in named.values():
                item["properties"]["z"] = STRING
    return made


SAFE = ("added", "widened", "each with another property")


@pytest.mark.parametrize(
    ("word", "required", "edit"),
    [
        *(
            ("oneOf", required, edit)
            for required in (True, False)
            for edit in ("added", "removed", "widened", "narrowed", SAFE[2])
        ),
        *(("anyOf", True, edit) for edit in ("added", "narrowed")),
        *(("anyOf", False, edit) for edit in ("removed", "widened", SAFE[2])),
    ],
)
def test_unions_of_120_variants_are_decided(word: str, required: bool, edit: str) -> None:
    old = variants(word=word, required=required)
    new = edited(old, edit)
    report = check_compatibility(new, [old], "FULL")
    assert not report.unknown
    safe = "backward" if edit in SAFE else "forward"
    assert {item.direction for item in report.violations} == {"backward", "forward"} - {safe}
    assert all(change.breaks_backward != (edit in SAFE) for change in diff(old, new))


def defaulted(number: int, *, closed: bool, fields: str) -> Schema:
    """Variants whose tag has a default: what has no tag may be several of them."""
    named: Schema = {}
    for i in range(number):
        own = {"same": "a", "own": f"f{i}"}[fields]
        named[f"V{i}"] = variant(f"v{i}", required=False, **{own: INTEGER, "note": STRING})
        named[f"V{i}"]["required"] = [own] if fields == "own" and i % 3 else []
        if not closed:
            del named[f"V{i}"]["additionalProperties"]
    return {"$defs": named, "oneOf": [{"$ref": f"#/$defs/{name}"} for name in named]}


def with_edit(schema: Schema, edit: str) -> Schema:
    made = copy.deepcopy(schema)
    third = made["$defs"]["V3"]
    match edit:
        case "removed":
            made["oneOf"].pop(3)
        case "twice":
            made["$defs"]["W"] = copy.deepcopy(third)
            made["oneOf"].append({"$ref": "#/$defs/W"})
        case "any":
            made["anyOf"] = made.pop("oneOf")
        case "tags required":
            for item in made["$defs"].values():
                item["required"].append("kind")
        case "narrowed":
            third["properties"]["note"] = {"type": "string", "maxLength": 2}
        case "another name":
            third["properties"]["kind"] = {"const": "other"}
    return made


EDITS = ["removed", "twice", "any", "tags required", "narrowed", "another name"]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("fields", ["same", "own"])
def test_a_union_whose_tag_may_be_left_out_is_decided(fields: str, closed: bool, edit: str) -> None:
    old = defaulted(26, closed=closed, fields=fields)
    new = with_edit(old, edit)
    report = check_compatibility(new, [old], "FULL")
    accepts = {"old": compile_validator(old).is_valid, "new": compile_validator(new).is_valid}
    shown = {item.direction for item in report.violations}
    for item in report.violations:
        assert accepts["old"](item.witness) != accepts["new"](item.witness)
    assert {item.direction for item in report.unknown} <= shown
    # Two variants that are alike without a tag leave no valid data without one.
    if fields == "same" and edit in ("tags required", "narrowed"):
        assert shown == ({"backward"} if edit == "narrowed" else set())


@pytest.mark.parametrize("number", [60, 150])
@pytest.mark.parametrize("optional", [False, True])
def test_an_optional_property_beside_many_that_lead_back_is_decided(
    number: int, optional: bool
) -> None:
    own: Schema = {"anyOf": [{"$ref": "#"}, {"type": "null"}]} if optional else {"$ref": "#"}
    properties = {f"p{i}": copy.deepcopy(own) for i in range(number)}
    old = {"type": "object", "properties": properties}
    new = {"type": "object", "properties": {**properties, "note": STRING}}
    assert check_compatibility(new, [old], "FULL", "lenient")
    assert check_compatibility(new, [old], "BACKWARD", "strict").violations


@pytest.mark.parametrize(
    ("pattern", "values", "same"),
    [
        ("^(a|b)$", ["a", "b"], True),
        ("^(a|b)$", ["a"], False),
        ("^v[0-9]$", [f"v{i}" for i in range(10)], True),
        ("^a?b$", ["b", "ab"], True),
        ("^(a\\.b|x\\|y|)$", ["a.b", "x|y", ""], True),
        ("(a|b)$", ["a", "b"], False),
        ("^a+$", ["a", "aa"], False),
        ("^(é|日)$", ["é", "日"], True),
    ],
)
@pytest.mark.parametrize("null", [False, True])
def test_a_pattern_of_few_texts_is_an_enum(
    pattern: str, values: list[Any], same: bool, null: bool
) -> None:
    old: Schema = {"type": ["string", "null"] if null else "string", "pattern": pattern}
    report = check_compatibility({"enum": [*values, None] if null else values}, [old])
    assert report.is_compatible is same
    assert not report.unknown
    if null:
        assert check_compatibility({"enum": values}, [old]).violations


TAGS = ["x", "y", "z"]
VALUES = [1, 1.5, "a", None]


def some_branch(rng: random.Random) -> Schema:
    properties: Schema = {}
    if rng.random() < 0.8:
        properties["kind"] = {"enum": rng.sample(TAGS, rng.choice([1, 1, 2]))}
    if rng.random() < 0.6:
        properties["a"] = {"type": rng.choice(["integer", "number", "string"])}
    made: Schema = {"type": "object", "properties": properties}
    if "kind" in properties and rng.random() < 0.6:
        made["required"] = ["kind"]
    if rng.random() < 0.4:
        made["additionalProperties"] = False
    return rng.choice([made, made, made, {"type": "null"}, INTEGER, {"type": "number"}])


def some_union(rng: random.Random) -> Schema:
    return {rng.choice(["oneOf", "anyOf"]): [some_branch(rng) for _ in range(rng.randint(1, 4))]}


def edited_union(rng: random.Random, union: Schema) -> Schema:
    [(word, branches)] = copy.deepcopy(union).items()
    match rng.randint(0, 4):
        case 0:
            branches.append(some_branch(rng))
        case 1 if len(branches) > 1:
            branches.pop()
        case 2:
            branches.append(copy.deepcopy(branches[0]))
        case 3:
            word = "anyOf" if word == "oneOf" else "oneOf"
        case _:
            branches[0] = some_branch(rng)
    rng.shuffle(branches)
    return {word: branches}


DATA: list[Any] = [
    *VALUES,
    *(
        {name: value for name, value in (("kind", kind), ("a", a), ("q", q)) if value != "-"}
        for kind, a, q in itertools.product([*TAGS, 3, "-"], [*VALUES, "-"], [1, "-"])
    ),
]


OPEN: list[Schema] = [
    {"properties": {"kind": {"const": "k0"}, "x": {"type": "number"}}, "required": ["kind"]},
    {"properties": {"id": INTEGER, "y": STRING}},
    {"properties": {"kind": {"const": "k2"}, "id": {"type": "array"}}, "required": ["kind"]},
]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("index", "name", "value"),
    [
        (1, "id", {"type": ["integer", "null"]}),
        (1, "y", {}),
        (0, "x", {"type": ["number", "string"]}),
    ],
)
def test_a_branch_that_takes_more_is_shown_to_hold_beside_another(
    index: int, name: str, value: Schema, nested: bool
) -> None:
    scalars = [STRING, {"type": "null"}]
    wider = copy.deepcopy(OPEN)
    wider[index]["properties"][name] = value
    sides: list[Schema] = [
        {"oneOf": [{"type": "object", **branch} for branch in side] + scalars}
        for side in (OPEN, wider)
    ]
    if nested:
        sides = [{"properties": {"u": side}, "required": ["u"]} for side in sides]
    old, new = sides
    report = check_compatibility(new, [old])
    assert not report.unknown
    witness = report.violations[0].witness
    assert compile_validator(old).is_valid(witness)
    assert not compile_validator(new).is_valid(witness)


def test_no_data_contradicts_a_yes_about_unions() -> None:
    yes = no = undecided = 0
    for seed in range(120):
        rng = random.Random(f"unions {seed}")
        old = some_union(rng)
        new = edited_union(rng, old)
        if seed % 3 == 0:
            shared = {"properties": {"kind": {"enum": rng.sample(TAGS, 2)}}}
            old = {**old, **shared}
        report = check_compatibility(new, [old])
        accepts_old, accepts_new = (compile_validator(schema).is_valid for schema in (old, new))
        contradictions = [data for data in DATA if accepts_old(data) and not accepts_new(data)]
        if report:
            yes += 1
            assert not contradictions, (seed, contradictions[0])
        elif report.violations:
            no += 1
        else:
            undecided += 1
    assert yes > 25
    assert no > 25
    assert undecided < 5, (yes, no, undecided)
