"""What differs between two schemas, where, and whom it breaks."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import pytest
from rich.console import Console

from llm_integrations.core.errors import ComparisonLimitExceeded, InvalidSchema
from llm_integrations.core.evolution import Change, ChangeKind, Limits, Source, diff
from llm_integrations.core.model.schema import JsonSchema

Schema = dict[str, Any]
K = ChangeKind

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}


def obj(properties: Schema | None = None, **keywords: Any) -> Schema:
    return {"type": "object", "properties": properties or {}, **keywords}


def closed(properties: Schema | None = None, **keywords: Any) -> Schema:
    return obj(properties, additionalProperties=False, **keywords)


def array(**keywords: Any) -> Schema:
    return {"type": "array", **keywords}


def one(old: JsonSchema, new: JsonSchema, **options: Any) -> Change:
    [change] = diff(old, new, **options)
    return change


def resolve(schema: Any, pointer: str) -> Any:
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        schema = schema[int(token)] if isinstance(schema, list) else schema[token]
    return schema


def test_equal_schemas_do_not_differ() -> None:
    schema = closed({"a": INTEGER, "b": {"enum": [1, "x"]}}, required=["a"])
    assert diff(schema, json.loads(json.dumps(schema))) == []


NEITHER, BACK, FORTH, BOTH = "neither", "backward", "forward", "both"

CASES: list[tuple[str, Schema, Schema, ChangeKind, str, str]] = [
    # what, old, new, kind, path, whom it breaks
    ("a property added to a closed object", closed({"a": STRING}),
     closed({"a": STRING, "b": STRING}), K.PROPERTY_ADDED, "/properties/b", FORTH),
    ("a property added to an open object", obj({"a": STRING}),
     obj({"a": STRING, "b": STRING}), K.PROPERTY_ADDED, "/properties/b", BACK),
    ("a property of any value added to an open object", obj({"a": STRING}),
     obj({"a": STRING, "b": {}}), K.PROPERTY_ADDED, "/properties/b", NEITHER),
    ("a property removed from a closed object", closed({"a": STRING, "b": STRING}),
     closed({"a": STRING}), K.PROPERTY_REMOVED, "/properties/b", BACK),
    ("a property removed from an open object", obj({"a": STRING, "b": STRING}),
     obj({"a": STRING}), K.PROPERTY_REMOVED, "/properties/b", FORTH),
    ("made required", obj({"a": STRING}), obj({"a": STRING}, required=["a"]),
     K.MADE_REQUIRED, "/required", BACK),
    ("made optional", obj({"a": STRING}, required=["a"]), obj({"a": STRING}),
     K.MADE_OPTIONAL, "/required", FORTH),
    ("an integer became a number", INTEGER, {"type": "number"}, K.TYPE_WIDENED, "/type", FORTH),
    ("a number became an integer", {"type": "number"}, INTEGER, K.TYPE_NARROWED, "/type", BACK),
    ("a type joined", STRING, {"type": ["string", "null"]}, K.TYPE_WIDENED, "/type", FORTH),
    ("a type for another", STRING, INTEGER, K.TYPE_CHANGED, "/type", BOTH),
    ("a type where there was none", {}, STRING, K.TYPE_NARROWED, "/type", BACK),
    ("a value more", {"enum": ["a"]}, {"enum": ["a", "b"]}, K.ENUM_VALUE_ADDED, "/enum/1", FORTH),
    ("a value less", {"enum": ["a", "b"]}, {"enum": ["a"]},
     K.ENUM_VALUE_REMOVED, "/enum/1", BACK),
    ("true is not 1", {"enum": [1, 2]}, {"enum": [1, 2, True]},
     K.ENUM_VALUE_ADDED, "/enum/2", FORTH),
    ("a list of values where there was none", STRING, {**STRING, "enum": ["a"]},
     K.ENUM_ADDED, "/enum", BACK),
    ("no list of values any more", {**STRING, "enum": ["a"]}, STRING,
     K.ENUM_REMOVED, "/enum", FORTH),
    ("another constant", {"const": "v1"}, {"const": "v2"}, K.CONST_CHANGED, "/const", BOTH),
    ("a higher minimum", {**INTEGER, "minimum": 1}, {**INTEGER, "minimum": 2},
     K.BOUND_TIGHTENED, "/minimum", BACK),
    ("a lower minimum", {**INTEGER, "minimum": 1}, {**INTEGER, "minimum": 0},
     K.BOUND_LOOSENED, "/minimum", FORTH),
    ("no maximum any more", {**INTEGER, "maximum": 1}, INTEGER,
     K.BOUND_LOOSENED, "/maximum", FORTH),
    ("a shorter text", {**STRING, "maxLength": 9}, {**STRING, "maxLength": 8},
     K.BOUND_TIGHTENED, "/maxLength", BACK),
    ("a coarser step", {"type": "number", "multipleOf": 0.5}, {"type": "number", "multipleOf": 2},
     K.BOUND_TIGHTENED, "/multipleOf", BACK),
    ("another step", {**INTEGER, "multipleOf": 2}, {**INTEGER, "multipleOf": 3},
     K.BOUND_CHANGED, "/multipleOf", BOTH),
    ("items became unique", array(), array(uniqueItems=True),
     K.BOUND_TIGHTENED, "/uniqueItems", BACK),
    ("a bound that something else implies", {"type": "integer", "enum": [1, 2]},
     {"type": "integer", "enum": [1, 2], "minimum": 0}, K.BOUND_TIGHTENED, "/minimum", NEITHER),
    ("a pattern", STRING, {**STRING, "pattern": "^a"}, K.PATTERN_ADDED, "/pattern", BACK),
    ("another pattern", {**STRING, "pattern": "^a$"}, {**STRING, "pattern": "^[ab]$"},
     K.PATTERN_CHANGED, "/pattern", FORTH),
    ("no pattern any more", {**STRING, "pattern": "^a"}, STRING,
     K.PATTERN_REMOVED, "/pattern", FORTH),
    ("a format", STRING, {**STRING, "format": "date"}, K.FORMAT_ADDED, "/format", BACK),
    ("another format", {**STRING, "format": "date"}, {**STRING, "format": "time"},
     K.FORMAT_CHANGED, "/format", BOTH),
    ("a format that nobody knows", STRING, {**STRING, "format": "x-colour"},
     K.DOCUMENTATION, "/format", NEITHER),
    ("closed", obj({"a": STRING}), closed({"a": STRING}),
     K.CONTENT_CLOSED, "/additionalProperties", BACK),
    ("opened", closed({"a": STRING}), obj({"a": STRING}),
     K.CONTENT_OPENED, "/additionalProperties", FORTH),
    ("partly closed", obj(), obj(additionalProperties=STRING),
     K.CONTENT_CLOSED, "/additionalProperties", BACK),
    ("what further properties are", obj(additionalProperties=INTEGER),
     obj(additionalProperties={"type": "number"}),
     K.TYPE_WIDENED, "/additionalProperties/type", FORTH),
    ("names of properties", obj(), obj(propertyNames={"maxLength": 3}),
     K.NAMES_CHANGED, "/propertyNames", BACK),
    ("a pattern of properties", obj(), obj(patternProperties={"^x-": STRING}),
     K.PATTERN_PROPERTY_ADDED, "/patternProperties/^x-", BACK),
    ("a pattern of properties less", obj(patternProperties={"^x-": STRING}), obj(),
     K.PATTERN_PROPERTY_REMOVED, "/patternProperties/^x-", FORTH),
    ("one property demands another", obj(), obj(dependentRequired={"a": ["b"]}),
     K.DEPENDENCY_ADDED, "/dependentRequired/a", BACK),
    ("one property demands another no more", obj(dependentRequired={"a": ["b"]}), obj(),
     K.DEPENDENCY_REMOVED, "/dependentRequired/a", FORTH),
    ("a property brings a schema", obj(), obj(dependentSchemas={"a": {"required": ["b"]}}),
     K.DEPENDENCY_ADDED, "/dependentSchemas/a", BACK),
    ("items", array(items=INTEGER), array(items={"type": "number"}),
     K.TYPE_WIDENED, "/items/type", FORTH),
    ("an item of its own", array(prefixItems=[STRING]), array(prefixItems=[STRING, INTEGER]),
     K.ITEM_ADDED, "/prefixItems/1", BACK),
    ("an item of its own less", array(prefixItems=[STRING, INTEGER]), array(prefixItems=[STRING]),
     K.ITEM_REMOVED, "/prefixItems/1", FORTH),
    ("no further items", array(prefixItems=[STRING]), array(prefixItems=[STRING], items=False),
     K.CONTENT_CLOSED, "/items", BACK),
    ("what must be contained", array(), array(contains=INTEGER),
     K.CONTAINS_CHANGED, "/contains", BACK),
    ("how often it is contained", array(contains=INTEGER), array(contains=INTEGER, minContains=2),
     K.CONTAINS_CHANGED, "/minContains", BACK),
    ("a branch more", {"anyOf": [STRING]}, {"anyOf": [STRING, INTEGER]},
     K.COMBINATION_ADDED, "/anyOf/1", FORTH),
    ("a branch less", {"oneOf": [STRING, INTEGER]}, {"oneOf": [STRING]},
     K.COMBINATION_REMOVED, "/oneOf/1", BACK),
    ("a demand more", {"allOf": [STRING]}, {"allOf": [STRING, {"minLength": 1}]},
     K.COMBINATION_ADDED, "/allOf/1", BACK),
    ("inside of a branch", {"anyOf": [STRING, {**INTEGER, "minimum": 2}]},
     {"anyOf": [STRING, {**INTEGER, "minimum": 1}]}, K.BOUND_LOOSENED, "/anyOf/1/minimum", FORTH),
    ("less is refused", {"not": {**INTEGER, "minimum": 1}}, {"not": {**INTEGER, "minimum": 2}},
     K.BOUND_TIGHTENED, "/not/minimum", FORTH),
    ("a condition", STRING, {**STRING, "if": {"minLength": 2}, "then": {"pattern": "^a"}},
     K.COMBINATION_ADDED, "/if", BACK),
    ("a title", STRING, {**STRING, "title": "Name"}, K.DOCUMENTATION, "/title", NEITHER),
    ("a default", {**INTEGER, "default": 1}, {**INTEGER, "default": 2},
     K.DOCUMENTATION, "/default", NEITHER),
    ("a keyword that nobody knows", STRING, {**STRING, "x-owner": "me"},
     K.DOCUMENTATION, "/x-owner", NEITHER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "kind", "path", "breaks"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_change_has_a_kind_a_place_and_says_whom_it_breaks(
    old: Schema, new: Schema, kind: ChangeKind, path: str, breaks: str
) -> None:
    changes = [c for c in diff(old, new) if c.path == path]
    assert [c.kind for c in changes] == [kind]
    assert changes[0].breaks_backward == (breaks in (BACK, BOTH))
    assert changes[0].breaks_forward == (breaks in (FORTH, BOTH))


@pytest.mark.parametrize(
    ("old", "new"), [case[1:3] for case in CASES], ids=[case[0] for case in CASES]
)
def test_every_path_leads_somewhere_in_the_schema_that_it_names(old: Schema, new: Schema) -> None:
    for change in diff(old, new):
        resolve(new if change.side == "new" else old, change.path)


@pytest.mark.parametrize(
    ("old", "new"), [case[1:3] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_opposite_edit_breaks_the_opposite_side(old: Schema, new: Schema) -> None:
    forth, back = diff(old, new), diff(new, old)
    assert any(c.breaks_backward for c in forth) == any(c.breaks_forward for c in back)
    assert any(c.breaks_forward for c in forth) == any(c.breaks_backward for c in back)


def test_old_and_new_are_what_people_wrote() -> None:
    change = one(obj({"a": {"const": 1}}), obj({"a": {"const": 2}}))
    assert (change.old, change.new) == (1, 2)
    assert (change.where, change.keyword) == ("a", "enum")
    new = closed({"b": {"$ref": "#/$defs/x"}}, **{"$defs": {"x": True}})
    added = next(c for c in diff(closed(), new) if c.kind is K.PROPERTY_ADDED)
    assert (added.old, added.new) == (None, {"$ref": "#/$defs/x"})


def test_the_place_in_the_data_reads_like_code() -> None:
    old = obj({"users": array(items=obj({"first name": STRING}))})
    new = obj({"users": array(items=obj({"first name": {**STRING, "maxLength": 5}}))})
    assert one(old, new).where == "users[*]['first name']"


def test_a_reference_is_followed_to_where_the_difference_is_written() -> None:
    def schema(limit: int) -> Schema:
        return obj(
            {"home": {"$ref": "#/$defs/address"}, "work": {"$ref": "#/$defs/address"}},
            **{"$defs": {"address": obj({"zip": {**STRING, "maxLength": limit}})}},
        )

    change = one(schema(5), schema(10))
    assert change.path == "/$defs/address/properties/zip/maxLength"
    assert change.where == "home.zip"


def test_a_recursive_schema_is_compared_once_around() -> None:
    def tree(kind: str) -> Schema:
        node = obj({"value": {"type": kind}, "children": array(items={"$ref": "#/$defs/node"})})
        return {"$ref": "#/$defs/node", "$defs": {"node": node}}

    change = one(tree("integer"), tree("number"))
    assert (change.kind, change.path) == (K.TYPE_WIDENED, "/$defs/node/properties/value/type")
    assert (change.breaks_backward, change.breaks_forward) == (False, True)


def test_a_moved_definition_is_a_new_reference_and_no_other_change() -> None:
    old = obj({"a": {"$ref": "#/definitions/a"}}, definitions={"a": INTEGER})
    new = obj({"a": {"$ref": "#/$defs/a"}}, **{"$defs": {"a": INTEGER}})
    changes = diff(old, new)
    assert {c.kind for c in changes} == {K.REFERENCE_CHANGED}
    assert not any(c.is_breaking for c in changes)


def test_definitions_that_come_and_go_break_nobody() -> None:
    old = {**STRING, "$defs": {"gone": INTEGER, "edited": INTEGER}}
    new = {**STRING, "$defs": {"come": INTEGER, "edited": STRING}}
    kinds = {c.kind: c for c in diff(old, new)}
    assert set(kinds) == {K.DEFINITION_ADDED, K.DEFINITION_REMOVED, K.DEFINITION_CHANGED}
    assert not any(c.is_breaking for c in kinds.values())


def test_a_reference_into_another_document_says_so_in_its_path() -> None:
    schema = obj({"a": {"$ref": "common.json#/$defs/a"}})
    old = Source(schema, {"common.json": {"$defs": {"a": {**INTEGER, "minimum": 1}}}})
    new = Source(schema, {"common.json": {"$defs": {"a": {**INTEGER, "minimum": 0}}}})
    change = one(old, new)  # type: ignore[arg-type] # diff takes sources too
    assert change.path == "common.json#/$defs/a/minimum"


def test_a_renamed_property_is_suggested_when_the_shapes_are_equal() -> None:
    old = closed({"user_name": {**STRING, "minLength": 1}, "age": INTEGER})
    new = closed({"userName": {**STRING, "minLength": 1}, "age": INTEGER})
    renames = {c.kind: c.rename for c in diff(old, new)}
    assert renames == {K.PROPERTY_REMOVED: "userName", K.PROPERTY_ADDED: "user_name"}


def test_plain_shapes_need_names_that_are_alike_for_a_rename() -> None:
    old = closed({"user_name": STRING, "city": STRING})
    new = closed({"userName": STRING, "colour": STRING})
    found = {c.keyword: c.rename for c in diff(old, new)}
    assert found["user_name"] == "userName"
    assert found["city"] is None


def test_other_shapes_are_no_rename() -> None:
    changes = diff(closed({"a": STRING}), closed({"b": INTEGER}))
    assert all(c.rename is None for c in changes)


def test_across_drafts_the_path_is_spelled_as_the_author_did() -> None:
    old = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "array",
        "items": [STRING, {**INTEGER, "minimum": 0, "exclusiveMinimum": True}],
    }
    new = {**old, "items": [STRING, {**INTEGER, "minimum": 1, "exclusiveMinimum": True}]}
    change = one(old, new)
    assert change.path == "/items/1/minimum"
    assert change.kind is K.BOUND_TIGHTENED


def test_another_dialect_that_says_the_same_breaks_nobody() -> None:
    old = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"t": {"items": [STRING], "additionalItems": INTEGER}},
        "dependencies": {"a": ["b"]},
    }
    new = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"t": {"prefixItems": [STRING], "items": INTEGER}},
        "dependentRequired": {"a": ["b"]},
    }
    change = one(old, new)
    assert (change.kind, change.is_breaking) == (K.DIALECT_CHANGED, False)


def test_under_the_lenient_policy_an_optional_property_breaks_no_old_data() -> None:
    old, new = obj({"a": STRING}), obj({"a": STRING, "b": STRING})
    assert one(old, new).breaks_backward
    assert not one(old, new, policy="lenient").breaks_backward


def test_a_change_travels_as_json_and_as_a_pickle() -> None:
    for change in diff(closed({"a": {"enum": [1, None]}}), closed({"b": STRING}, required=["b"])):
        assert Change.from_dict(json.loads(json.dumps(change.to_dict()))) == change
        assert pickle.loads(pickle.dumps(change)) == change


def test_a_diff_is_a_table_in_a_terminal_and_in_a_notebook() -> None:
    changes: Any = diff(closed({"<b>[red]": STRING}), closed({"x": INTEGER}))
    out = io.StringIO()
    Console(file=out, width=200).print(changes)
    assert "<b>[red]" in out.getvalue()
    assert "&lt;b&gt;" in changes._repr_html_()
    assert "<b>[red]" not in changes._repr_html_()


def test_what_is_no_schema_is_an_error_and_not_a_diff() -> None:
    with pytest.raises(InvalidSchema):
        diff({"type": "strnig"}, STRING)
    with pytest.raises(InvalidSchema):
        diff(STRING, {"$ref": "#/$defs/missing"})
    with pytest.raises(InvalidSchema, match="not list"):
        diff(STRING, [])  # type: ignore[arg-type] # what a caller without types may do


def test_what_is_too_large_to_compare_is_an_error_that_says_so() -> None:
    with pytest.raises(ComparisonLimitExceeded, match="more than 10 values"):
        diff(obj({f"p{i}": STRING for i in range(20)}), STRING, limits=Limits(nodes=10))
