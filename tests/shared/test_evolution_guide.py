"""The migration guide: what people read, and the draft of the code that brings old data over."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.evolution import MigrationGuide, Source, migration_guide
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.validation import compile_validator

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}


def closed(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def migrate_of(guide: MigrationGuide) -> Callable[[Any], Any]:
    """The generated function, compiled and at hand."""
    namespace: dict[str, Any] = {}
    exec(compile(guide.migrate, "migrate.py", "exec"), namespace)
    return cast("Callable[[Any], Any]", namespace["migrate"])


TAGS = {"type": "array", "items": closed({"k": INTEGER}, "k")}
NEW_TAGS = {"type": "array", "items": closed({"k": STRING}, "k")}
TIER = {"enum": ["free", "pro"], "default": "free"}
TREE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}


def tree(value: Schema) -> Schema:
    node = closed({"value": value, "kids": {"type": "array", "items": {"$ref": "#/$defs/t"}}})
    return {"$ref": "#/$defs/t", "$defs": {"t": node}}


def union(**kinds: Schema) -> Schema:
    return {
        "type": "array",
        "items": {
            "oneOf": [
                closed({"kind": {"const": name}, "of": value}, "kind", "of")
                for name, value in kinds.items()
            ]
        },
    }


AUTOMATED: list[tuple[str, Schema, Schema, Any, Any]] = [
    ("a rename", closed({"user_name": STRING}, "user_name"),
     closed({"userName": STRING}, "userName"), {"user_name": "ada"}, {"userName": "ada"}),
    ("a default for what is required now", closed({}), closed({"tier": TIER}, "tier"),
     {}, {"tier": "free"}),
    ("a default for what was optional", closed({"tier": TIER}), closed({"tier": TIER}, "tier"),
     {"tier": "pro"}, {"tier": "pro"}),
    ("a number as text", closed({"age": INTEGER}), closed({"age": STRING}),
     {"age": 3}, {"age": "3"}),
    ("a value as a list of one", closed({"tag": STRING}),
     closed({"tag": {"type": "array", "items": STRING}}), {"tag": "x"}, {"tag": ["x"]}),
    ("a new constant", closed({"v": {"const": 1}}, "v"), closed({"v": {"const": 2}}, "v"),
     {"v": 1}, {"v": 2}),
    ("null is absent", closed({"note": {"type": ["string", "null"]}}), closed({"note": STRING}),
     {"note": None}, {}),
    ("inside of a list", closed({"tags": TAGS}), closed({"tags": NEW_TAGS}),
     {"tags": [{"k": 1}, {"k": 2}]}, {"tags": [{"k": "1"}, {"k": "2"}]}),
    ("inside of a map", {"type": "object", "additionalProperties": closed({"a": INTEGER})},
     {"type": "object", "additionalProperties": closed({"a": STRING})},
     {"x": {"a": 1}}, {"x": {"a": "1"}}),
    ("inside of a tagged union", union(n=INTEGER, s=STRING), union(n=STRING, s=STRING),
     [{"kind": "n", "of": 1}, {"kind": "s", "of": "x"}],
     [{"kind": "n", "of": "1"}, {"kind": "s", "of": "x"}]),
    ("at every level of a recursive schema", tree(INTEGER), tree(STRING),
     {"value": 1, "kids": [{"value": 2, "kids": [{"value": 3}]}]},
     {"value": "1", "kids": [{"value": "2", "kids": [{"value": "3"}]}]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [case[1:] for case in AUTOMATED],
    ids=[case[0] for case in AUTOMATED],
)
def test_what_can_be_automated_is_and_yields_valid_data(
    old: Schema, new: Schema, before: Any, after: Any
) -> None:
    guide = migration_guide(old, new)
    migrate = migrate_of(guide)
    given = json.loads(json.dumps(before))
    assert compile_validator(old).is_valid(before)
    assert migrate(given) == after
    assert given == before, "the input stays as it is"
    assert compile_validator(new).is_valid(after)
    assert not guide.decisions
    assert guide.example is not None
    assert guide.example.migrated
    assert migrate(guide.example.before) == guide.example.after
    assert compile_validator(old).is_valid(guide.example.before)
    assert compile_validator(new).is_valid(guide.example.after)
    for violation in guide.violations:
        if violation.direction == "backward":
            assert compile_validator(new).is_valid(migrate(violation.witness))


@pytest.mark.parametrize(
    ("old", "new", "question"),
    [
        (closed({}), closed({"mail": STRING}, "mail"), "`mail` is for data that has none"),
        (closed({"n": {"enum": ["a", "b"]}}), closed({"n": {"enum": ["a"]}}), 'replaces `"b"`'),
        (closed({"n": INTEGER}), closed({"n": {**INTEGER, "maximum": 9}}), "beyond the new bound"),
        (closed({"n": STRING}), closed({"n": INTEGER}), "old type"),
        (closed({"n": STRING}), closed({"n": {**STRING, "pattern": "^a"}}), "do not match"),
    ],
)
def test_what_a_program_cannot_know_is_left_to_people(
    old: Schema, new: Schema, question: str
) -> None:
    guide = migration_guide(old, new)
    assert any(question in decision for decision in guide.decisions)
    assert "To be decided by people" in guide.to_markdown()
    assert guide.example is not None
    assert compile_validator(new).is_valid(guide.example.after)


def test_the_summary_says_whom_it_breaks() -> None:
    base = closed({"a": INTEGER})
    assert migration_guide(base, base).summary == "Nothing changed."
    assert "Not breaking" in migration_guide(base, {**base, "title": "x"}).summary
    wider = closed({"a": {"type": "number"}})
    assert "Breaking for old readers" in migration_guide(base, wider).summary
    assert "Breaking for new readers" in migration_guide(wider, base).summary
    assert "Breaking for both" in migration_guide(base, closed({"a": STRING})).summary


def test_a_new_optional_property_needs_nothing_unless_the_policy_is_strict() -> None:
    old = {"type": "object", "properties": {"a": STRING}}
    new = {"type": "object", "properties": {"a": STRING, "b": STRING}}
    assert not migration_guide(old, new).breaks_readers
    assert migration_guide(old, new, policy="strict").breaks_readers


def test_registered_schemas_lend_their_names() -> None:
    old = RegisteredSchema("1", "user", 1, closed({"a": INTEGER}))
    new = RegisteredSchema("2", "user", 2, closed({"a": STRING}))
    guide = migration_guide(old, new)
    assert guide.to_markdown().startswith("# Migrating from `user@1` to `user@2`\n")
    assert "user@1" in guide.migrate


def test_a_guide_travels_as_json() -> None:
    guide = migration_guide(closed({"a": INTEGER}), closed({"a": STRING}, "a"))
    data = json.loads(guide.to_json())
    assert data["summary"] == guide.summary
    assert len(data["actions"]) == len(guide.changes)
    assert data["migrate"] == guide.migrate
    assert data["refused"]
    assert guide._repr_markdown_() == guide.to_markdown() == str(guide)


HOSTILE = [
    "`|<script>alert(1)</script>",
    "```\n# heading",
    '"""\nimport os\nos.system("x")\n"""',
    "a\nb | c\r\n\n<img src=x>",
    "'; __import__('os') #",
    "\u2028\u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_schema_is_never_read_as_markup_or_code(text: str) -> None:
    old = closed({text: INTEGER, "e": {"enum": [text, "x"]}})
    new = closed({text: STRING, "e": {"enum": ["x"]}, text + "2": {"const": text, "title": text}},
                 text + "2")  # fmt: skip
    guide = migration_guide(Source(old, name=text), Source(new, name=text))
    markdown = guide.to_markdown()
    outside = []
    fenced = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            outside.append(line)
    assert not fenced
    headings = [line for line in outside if line.startswith("#")]
    assert all(h.startswith(("# Migrating", "## ")) and "heading" not in h for h in headings[1:])
    tree = ast.parse(guide.migrate)
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)
              and isinstance(n.func, ast.Name)}  # fmt: skip
    assert called <= {"str", "dict", "list", "isinstance"} | {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)
    }
    assert [n for n in ast.walk(tree) if isinstance(n, ast.Import)] == []
    before = {text: 1, "e": "x"}
    assert compile_validator(new).is_valid(migrate_of(guide)(before))


def notebook_schema(minor: int) -> Source:
    path = Path(nbformat.__file__).parent / f"v4/nbformat.v4.{minor}.schema.json"
    return Source(json.loads(path.read_text(encoding="utf-8")), name=f"nbformat@4.{minor}")


def test_the_guide_of_a_real_pair_tells_what_its_authors_tell() -> None:
    guide = migration_guide(notebook_schema(4), notebook_schema(5))
    text = guide.to_markdown()
    assert guide.breaks_readers
    assert guide.breaks_writers
    assert "Property `id` (`cell_id`) was added and is required" in text
    assert "`minimum` went from `4` to `5`" in text
    assert not guide.unknown
    assert guide.example is not None
    old, new = (compile_validator(notebook_schema(i).body) for i in (4, 5))
    assert old.is_valid(guide.example.before)
    assert new.is_valid(guide.example.after)
    assert {v.witness["cells"][0]["cell_type"] for v in guide.violations if v.witness["cells"]} == {
        "raw",
        "markdown",
        "code",
    }


def test_the_example_in_the_documentation_is_what_the_code_writes() -> None:
    page = Path(__file__).parents[2] / "docs" / "migration-guide-example.md"
    guide = migration_guide(notebook_schema(4), notebook_schema(5)).to_markdown()
    assert page.read_text(encoding="utf-8").endswith(guide)


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(InvalidSchema):
        migration_guide({"type": "strnig"}, STRING)


@pytest.mark.parametrize("name", ["first name", "2024", "a.b"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STRING, INTEGER),
        ({"type": "number"}, {"type": "integer", "minimum": 1}),
        ({"type": "array", "items": STRING}, {"type": "array", "items": INTEGER, "minItems": 1}),
    ],
)
def test_a_place_is_asked_about_once_whatever_its_name(
    before: Schema, after: Schema, name: str
) -> None:
    asked = [
        migration_guide(closed({key: before}, key), closed({key: after}, key)).decisions
        for key in ("plain", name)
    ]
    assert len(asked[1]) == len(asked[0])
