"""The draft of ``migrate``: it moves and converts what it can, and drops nothing in silence."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.evolution import MigrationGuide, diff, migration_guide
from llm_integrations.core.evolution.guide.conversions import CONVERSIONS
from llm_integrations.core.validation import compile_validator

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}


def closed(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def migrate_of(guide: MigrationGuide) -> Callable[[Any], Any]:
    if not guide.migrate:
        return lambda data: data
    namespace: dict[str, Any] = {}
    exec(compile(guide.migrate, "migrate.py", "exec"), namespace)
    return cast("Callable[[Any], Any]", namespace["migrate"])


ADDRESS = closed({"street": STRING, "city": STRING})
TIERS = {"enum": ["free", "pro-plus"]}

CERTAIN: dict[str, tuple[Schema, Schema, Any, Any]] = {
    "out of an object": (
        closed({"name": STRING, "address": closed({"street": STRING})}),
        closed({"name": STRING, "street": STRING}),
        {"name": "Ada", "address": {"street": "Main"}},
        {"name": "Ada", "street": "Main"},
    ),
    "out of an object, under its name": (
        closed({"address": ADDRESS}),
        closed({"address_street": STRING, "addressCity": STRING}),
        {"address": {"street": "Main", "city": "Rome"}},
        {"address_street": "Main", "addressCity": "Rome"},
    ),
    "out of an object that may stay": (
        {"properties": {"address": closed({"street": STRING}, "street")}, "required": ["address"]},
        {"properties": {"street": STRING}, "required": ["street"]},
        {"address": {"street": "Main"}},
        {"street": "Main"},
    ),
    "into an object": (
        closed({"street": STRING, "city": STRING}),
        closed({"address": ADDRESS}),
        {"street": "Main", "city": "Rome"},
        {"address": {"street": "Main", "city": "Rome"}},
    ),
    "into an object that is there": (
        closed({"city": STRING, "address": closed({"street": STRING})}),
        closed({"address": ADDRESS}),
        {"city": "Rome", "address": {"street": "Main"}},
        {"address": {"street": "Main", "city": "Rome"}},
    ),
    "into a list under the plural": (
        closed({"tag": STRING}),
        closed({"tags": {"type": "array", "items": STRING}}),
        {"tag": "x"},
        {"tags": ["x"]},
    ),
    "another name and type": (
        closed({"user_id": INTEGER}, "user_id"),
        closed({"userId": STRING}, "userId"),
        {"user_id": 7},
        {"userId": "7"},
    ),
    "in the items of a list": (
        {"type": "array", "items": closed({"at": closed({"x": INTEGER})})},
        {"type": "array", "items": closed({"x": STRING})},
        [{"at": {"x": 1}}],
        [{"x": "1"}],
    ),
    "case of enum values": (
        closed({"tier": TIERS}),
        closed({"tier": {"enum": ["FREE", "PRO_PLUS", "OTHER"]}}),
        {"tier": "pro-plus"},
        {"tier": "PRO_PLUS"},
    ),
    "required and nullable": (
        closed({"note": STRING}),
        closed({"note": nullable(STRING)}, "note"),
        {},
        {"note": None},
    ),
    "required and nullable by a list of types": (
        closed({"note": STRING}),
        closed({"note": {"type": ["string", "null"]}}, "note"),
        {},
        {"note": None},
    ),
    "required, with the default that it had": (
        closed({"tier": {"enum": ["free", "pro"], "default": "free"}}),
        closed({"tier": {"enum": ["FREE", "PRO"]}}, "tier"),
        {},
        {"tier": "FREE"},
    ),
    "null is the default": (
        closed({"note": nullable(STRING)}, "note"),
        closed({"note": {**STRING, "default": "none"}}, "note"),
        {"note": None},
        {"note": "none"},
    ),
    "null is the default of what is optional": (
        closed({"n": {"type": ["integer", "null"]}}),
        closed({"n": {**INTEGER, "default": 0}}),
        {"n": None},
        {"n": 0},
    ),
    "one of several types": (
        closed({"id": {"type": ["integer", "string"]}}),
        closed({"id": STRING}),
        {"id": 5},
        {"id": "5"},
    ),
    "digits": (
        closed({"n": {**STRING, "pattern": "^[1-9][0-9]{0,8}$"}}),
        closed({"n": INTEGER}),
        {"n": "36"},
        {"n": 36},
    ),
    "texts that say true or false": (
        closed({"ok": {"enum": ["true", "false"]}}),
        closed({"ok": {"type": "boolean"}}),
        {"ok": "true"},
        {"ok": True},
    ),
}


@pytest.mark.parametrize(("old", "new", "before", "after"), CERTAIN.values(), ids=CERTAIN.keys())
def test_what_is_certain_asks_nobody(old: Schema, new: Schema, before: Any, after: Any) -> None:
    guide = migration_guide(old, new)
    given_data = copy.deepcopy(before)
    assert compile_validator(old).is_valid(before)
    assert migrate_of(guide)(given_data) == after
    assert given_data == before
    assert compile_validator(new).is_valid(after)
    assert not guide.decisions


ASKED: dict[str, tuple[Schema, Schema, Any, Any, str]] = {
    "a text that may be no number": (
        closed({"age": STRING}), closed({"age": INTEGER}),
        {"age": "36"}, {"age": 36}, "`age`: Decide how",
    ),
    "a number that the bound may refuse": (
        closed({"age": {**STRING, "pattern": "^[1-9][0-9]?$"}}),
        closed({"age": {**INTEGER, "maximum": 50}}),
        {"age": "36"}, {"age": 36}, "`age`: Decide how",
    ),
    "a text that may be no decimal": (
        closed({"x": STRING}), closed({"x": NUMBER}), {"x": "-0.5"}, {"x": -0.5}, "`x`",
    ),
    "a number that may be no whole one": (
        closed({"n": NUMBER}), closed({"n": INTEGER}), {"n": 2.0}, {"n": 2}, "`n`: Decide how",
    ),
    "a text that may say neither": (
        closed({"ok": STRING}), closed({"ok": {"type": "boolean"}}),
        {"ok": "true"}, {"ok": True}, "`ok`: Decide how",
    ),
    "a property that goes": (
        closed({"a": STRING, "b": STRING}), closed({"a": STRING}),
        {"a": "x", "b": "y"}, {"a": "x"}, "`b`: `migrate()` drops it",
    ),
    "an object of which a part goes": (
        closed({"address": ADDRESS}), closed({"street": STRING}),
        {"address": {"street": "Main", "city": "Rome"}}, {"street": "Main"}, "with `city`",
    ),
    "a name that splits": (
        closed({"name": STRING}), closed({"first_name": STRING, "last_name": STRING}),
        {"name": "Ada Lovelace"}, {}, "may have become `first_name`, `last_name`",
    ),
    "names that join": (
        closed({"first_name": STRING, "last_name": STRING}), closed({"name": STRING}),
        {"first_name": "Ada"}, {}, "may have become `name`",
    ),
    "an address of which there are two": (
        closed({"home": ADDRESS}), closed({"billing": ADDRESS, "shipping": ADDRESS}),
        {"home": {"street": "Main"}}, {}, "`home`: `migrate()` drops it with `street`, `city`",
    ),
    "a tag of a union that changes": (
        {"oneOf": [closed({"kind": {"const": k}}, "kind") for k in ("cat", "fish")]},
        {"oneOf": [closed({"kind": {"const": k}}, "kind") for k in ("dog", "fish")]},
        {"kind": "fish"}, {"kind": "fish"}, "`kind`: ",
    ),
    "a list that was one": (
        closed({"tags": {"type": "array", "items": STRING}}), closed({"tag": STRING}),
        {"tags": ["x"]}, {}, "`tags`: `migrate()` drops it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "question"), ASKED.values(), ids=ASKED.keys()
)
def test_what_may_be_lost_or_refused_is_asked(
    old: Schema, new: Schema, before: Any, after: Any, question: str
) -> None:
    guide = migration_guide(old, new)
    assert compile_validator(old).is_valid(before)
    assert migrate_of(guide)(before) == after
    assert any(question in decision for decision in guide.decisions), guide.decisions


@pytest.mark.parametrize("text", ["036", "-0", "1_000", "٣", "", "x", "1e5", "NaN", "1" * 500])
def test_a_text_that_would_not_come_back_the_same_stays(text: str) -> None:
    for kind in ("integer", "number"):
        assert CONVERSIONS[kind].run(text) == text


@pytest.mark.parametrize("kind", [kind for kind, c in CONVERSIONS.items() if c.source])
def test_the_draft_converts_as_the_example_was_converted(kind: str) -> None:
    conversion = CONVERSIONS[kind]
    needed = "\n".join(CONVERSIONS[name].source for name in conversion.needs)
    namespace: dict[str, Any] = {"Any": Any}
    exec(f"{needed}\n{conversion.source}", namespace)
    texts = ["36", "-1", "036", "0.5", "-0.25", "1.", ".5", "1.5.2", "TRUE", "false", "", "-", "é"]
    for value in [*texts, 2.0, 2.5, -0.0, float("inf"), 3, True, None, ["1"]]:
        assert repr(namespace[conversion.name](value)) == repr(conversion.run(value))


def test_a_value_that_is_there_is_not_overwritten() -> None:
    old = {"type": "object", "properties": {"user_name": STRING}, "required": ["user_name"]}
    new = closed({"userName": STRING}, "userName")
    migrate = migrate_of(migration_guide(old, new))
    both = {"user_name": "ada", "userName": "bob"}
    assert migrate(both) == both


def test_properties_that_the_schema_names_are_no_others() -> None:
    old = {"properties": {"a": STRING}, "additionalProperties": STRING, "type": "object"}
    tags = {"type": "array", "items": STRING}
    new = {"properties": {"a": STRING}, "additionalProperties": tags, "type": "object"}
    assert migrate_of(migration_guide(old, new))({"a": "x", "b": "y"}) == {"a": "x", "b": ["y"]}


def test_one_clear_name_among_several_is_a_rename() -> None:
    old = closed({"created": STRING, "user_name": STRING, "updated": STRING})
    new = closed({"created_at": STRING, "updated_at": STRING, "userName": STRING})
    renames = {c.keyword: c.rename for c in diff(old, new) if c.rename and c.side == "old"}
    assert renames == {
        "created": "created_at",
        "updated": "updated_at",
        "user_name": "userName",
    }


# Random edits: every leaf of the data is marked, so that it is known again wherever it goes.

WORDS = ["name", "street", "city", "age", "tag", "user_id", "note", "zip"]
OUTER = ["address", "owner", "meta"]
SCALARS: list[tuple[Schema, Any]] = [
    (STRING, "text"), (INTEGER, 100), (NUMBER, 0.5), ({"type": "boolean"}, True),
    ({"enum": ["red", "green"]}, "red"), ({"type": ["string", "null"]}, "null?"),
    ({"type": "array", "items": STRING}, ["item"]),
]  # fmt: skip
EDITS = (
    *("rename", "drop", "retype", "gather", "spread", "list", "split", "require", "spell", "close"),
)


def marked(value: Any, mark: int) -> Any:
    if isinstance(value, list):
        return [marked(item, mark) for item in value]
    if isinstance(value, str) and value not in ("red", "green"):
        return f"{value}{mark}"
    return value + mark if isinstance(value, int | float) and value is not True else value


@st.composite
def evolutions(draw: st.DrawFn) -> tuple[Schema, Schema, Any]:
    names = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5, unique=True))
    outer = draw(st.sampled_from([None, *OUTER]))
    inner: Schema = {}
    top: Schema = {}
    data: dict[str, Any] = {}
    for mark, name in enumerate(names):
        schema, value = draw(st.sampled_from(SCALARS))
        inside = outer is not None and draw(st.booleans())
        (inner if inside else top)[name] = schema
        holder = data.setdefault(outer or "", {}) if inside else data
        holder[name] = marked(value, mark)
    if inner and outer:
        top[outer] = closed(inner)
    new = copy.deepcopy(top)
    for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3)):
        change(draw, edit, new)
    required = sorted(draw(st.sets(st.sampled_from(sorted(new) or ["x"]), max_size=1)) & set(new))
    return closed(top), closed(new, *required), data


def change(draw: st.DrawFn, edit: str, properties: Schema) -> None:  # noqa: C901 - flat
    if not properties:
        return
    name = draw(st.sampled_from(sorted(properties)))
    schema = properties[name]
    match edit:
        case "rename":
            properties[f"new_{name}"] = properties.pop(name)
        case "drop":
            del properties[name]
        case "retype":
            properties[name] = draw(st.sampled_from(SCALARS))[0]
        case "gather":
            into = draw(st.sampled_from(OUTER))
            if into != name and into not in properties:
                properties[into] = closed({name: properties.pop(name)})
        case "spread" if schema.get("type") == "object":
            properties.pop(name)
            properties.update({k: v for k, v in schema["properties"].items() if k != name})
        case "list":
            properties[f"{name}s"] = {"type": "array", "items": properties.pop(name)}
        case "split":
            node = properties.pop(name)
            properties.update({f"first_{name}": node, f"last_{name}": node})
        case "spell" if "enum" in schema:
            properties[name] = {"enum": ["RED", "GREEN"]}
        case "require":
            properties[name] = nullable(schema)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def as_text(value: Any) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).casefold()


@given(evolutions())
@settings(max_examples=60, deadline=None)
def test_each_leaf_is_in_the_output_or_in_a_decision(case: tuple[Schema, Schema, Any]) -> None:
    old, new, data = case
    assert compile_validator(old).is_valid(data)
    guide = migration_guide(old, new)
    made = migrate_of(guide)(copy.deepcopy(data))
    kept = {as_text(value) for _, value in leaves(made)}
    for path, value in leaves(data):
        named = any(
            f"`{name}`" in d or ".".join(path) in d for d in guide.decisions for name in path
        )
        assert as_text(value) in kept or named, (path, made, guide.decisions)
    refused = compile_validator(new).validate(made).errors
    for error in refused:
        place = error.path.strip("/").split("/")[0]
        said = [d for d in guide.decisions if place in d or "(root)" in d]
        assert said or not place, (made, error, guide.decisions)
    assert not refused or guide.decisions, (made, refused)
