"""Whether a new version gets along with the previous ones, and what shows it when not."""

from __future__ import annotations

import io
import json
import pickle
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError, IncompatibleSchema, InvalidSchema
from llm_integrations.core.evolution import (
    CompatibilityReport,
    Source,
    check_compatibility,
    diff,
    migration_guide,
)
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.validation import compile_validator

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}


def obj(properties: Schema | None = None, **keywords: Any) -> Schema:
    return {"type": "object", "properties": properties or {}, **keywords}


def assert_shown(report: CompatibilityReport, old: Any, new: Any) -> None:
    """Every no has an instance that shows it, or says why it is undecided."""
    assert not report.is_compatible
    assert report.violations or report.unknown
    for violation in report.violations:
        sides = (old, new) if violation.direction == "backward" else (new, old)
        writer, reader = (compile_validator(side) for side in sides)
        assert writer.is_valid(violation.witness)
        assert not reader.is_valid(violation.witness)
    assert all(item.reason for item in report.unknown)


CLOSED: Schema = {"additionalProperties": False}
FLOAT_MAP: Schema = {"additionalProperties": NUMBER}
INT_MAP: Schema = {"additionalProperties": INTEGER}

# Backward compatibility as Confluent documents it for the three content models. Where containment
# says otherwise, containment is right, and the case says so.
CONFLUENT: list[tuple[str, Schema, Schema, bool, bool]] = [
    # what, old, new, strict, lenient
    ("open: an optional property is added", obj({"a": STRING}),
     obj({"a": STRING, "b": STRING}), False, True),
    ("open: a property of any value is added", obj({"a": STRING}),
     obj({"a": STRING, "b": {}}), True, True),
    ("open: a property is removed", obj({"a": STRING, "b": STRING}), obj({"a": STRING}),
     True, True),
    ("open: a required property is added", obj({"a": STRING}),
     obj({"a": STRING, "b": STRING}, required=["b"]), False, False),
    ("open: it is closed", obj({"a": STRING}), obj({"a": STRING}, **CLOSED), False, True),
    ("closed: an optional property is added", obj({"a": STRING}, **CLOSED),
     obj({"a": STRING, "b": STRING}, **CLOSED), True, True),
    ("closed: a property is removed", obj({"a": STRING, "b": STRING}, **CLOSED),
     obj({"a": STRING}, **CLOSED), False, False),  # Confluent's lenient policy lets it pass
    ("closed: a property that could not be is removed", obj({"a": STRING, "b": False}, **CLOSED),
     obj({"a": STRING}, **CLOSED), True, True),
    ("closed: it is opened", obj({"a": STRING}, **CLOSED), obj({"a": STRING}), True, True),
    ("closed: a required property with a default is added", obj({"a": STRING}, **CLOSED),
     obj({"a": STRING, "b": {**STRING, "default": ""}}, required=["b"], **CLOSED),
     False, False),  # Confluent says compatible, but a default fills in nothing
    ("partly open: an added property takes what the others may be", obj(**INT_MAP),
     obj({"b": NUMBER}, **INT_MAP), True, True),
    ("partly open: an added property takes less", obj(**FLOAT_MAP),
     obj({"b": INTEGER}, **FLOAT_MAP), False, False),  # Confluent's lenient policy lets it pass
    ("partly open: a removed property is one of the others now", obj({"b": INTEGER}, **FLOAT_MAP),
     obj(**FLOAT_MAP), True, True),
    ("partly open: a removed property is none of the others", obj({"b": STRING}, **FLOAT_MAP),
     obj(**FLOAT_MAP), False, False),
    ("partly open: the others are widened", obj(**INT_MAP), obj(**FLOAT_MAP), True, True),
    ("partly open: the others are narrowed", obj(**FLOAT_MAP), obj(**INT_MAP), False, False),
    ("a type is extended", INTEGER, NUMBER, True, True),
    ("a type is narrowed", NUMBER, INTEGER, False, False),
    ("a value is added", {"enum": ["a"]}, {"enum": ["a", "b"]}, True, True),
    ("a value is removed", {"enum": ["a", "b"]}, {"enum": ["a"]}, False, False),
    ("a text may be longer", {**STRING, "maxLength": 3}, {**STRING, "maxLength": 4}, True, True),
    ("a text must be longer", {**STRING, "minLength": 3}, {**STRING, "minLength": 4},
     False, False),
    ("a pattern is removed", {**STRING, "pattern": "^a"}, STRING, True, True),
    ("a pattern is widened", {**STRING, "pattern": "^[a-z]+$"},
     {**STRING, "pattern": "^[a-z0-9]+$"},
     True, True),  # Confluent takes any other pattern for incompatible
    ("a pattern is narrowed", {**STRING, "pattern": "^[a-z0-9]+$"},
     {**STRING, "pattern": "^[a-z]+$"}, False, False),
    ("multipleOf is divided", {**INTEGER, "multipleOf": 4}, {**INTEGER, "multipleOf": 2},
     True, True),
    ("multipleOf is merely smaller", {**INTEGER, "multipleOf": 4}, {**INTEGER, "multipleOf": 3},
     False, False),
    ("what is required becomes optional", obj({"a": STRING}, required=["a"]), obj({"a": STRING}),
     True, True),
    ("a dependency is narrowed", obj(dependentRequired={"a": ["b", "c"]}),
     obj(dependentRequired={"a": ["b"]}), True, True),
    ("a dependency is extended", obj(dependentRequired={"a": ["b"]}),
     obj(dependentRequired={"a": ["b", "c"]}), False, True),  # undeclared, so absent
    ("fewer properties", obj(maxProperties=3), obj(maxProperties=2), False, True),
    ("items need not be unique", {"type": "array", "uniqueItems": True}, {"type": "array"},
     True, True),
    ("an item is added to a closed tuple",
     {"type": "array", "prefixItems": [STRING], "items": False},
     {"type": "array", "prefixItems": [STRING, STRING], "items": False}, True, True),
    ("an item is added to an open tuple", {"type": "array", "prefixItems": [STRING]},
     {"type": "array", "prefixItems": [STRING, STRING]}, False, False),
    ("a union gets a branch", {"oneOf": [STRING, INTEGER]},
     {"oneOf": [STRING, INTEGER, {"type": "null"}]}, True, True),
    ("a union loses a branch", {"oneOf": [STRING, INTEGER]}, {"oneOf": [STRING]}, False, False),
    ("a union gets a branch that overlaps", {"oneOf": [STRING, INTEGER]},
     {"oneOf": [STRING, INTEGER, NUMBER]}, False, False),  # Confluent says compatible
    ("one type becomes a union that has it", STRING, {"anyOf": [STRING, INTEGER]}, True, True),
    ("a demand is dropped", {"allOf": [STRING, {"minLength": 2}]}, {"allOf": [STRING]}, True, True),
    ("less is refused", {"not": NUMBER}, {"not": INTEGER}, True, True),
    ("more is refused", {"not": INTEGER}, {"not": NUMBER}, False, False),
    ("a description changes", {**STRING, "description": "a"}, {**STRING, "description": "b"},
     True, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "strict", "lenient"),
    [case[1:] for case in CONFLUENT],
    ids=[case[0] for case in CONFLUENT],
)
def test_the_content_models_evolve_by_the_documented_rules(
    old: Schema, new: Schema, strict: bool, lenient: bool
) -> None:
    for policy, expected in (("strict", strict), ("lenient", lenient)):
        report = check_compatibility(new, [old], "BACKWARD", policy)
        assert report.is_compatible == expected, (policy, report)
        assert report.policy == policy
        if not expected:
            assert_shown(report, old, new)
            assert report.violations, report


@pytest.mark.parametrize(
    ("old", "new"), [case[1:3] for case in CONFLUENT], ids=[case[0] for case in CONFLUENT]
)
def test_forward_is_backward_with_the_sides_exchanged(old: Schema, new: Schema) -> None:
    for policy in ("strict", "lenient"):
        backward = check_compatibility(old, [new], "BACKWARD", policy)
        forward = check_compatibility(new, [old], "FORWARD", policy)
        full = check_compatibility(new, [old], "FULL", policy)
        assert backward.is_compatible == forward.is_compatible
        other = check_compatibility(new, [old], "BACKWARD", policy)
        assert full.is_compatible == (forward.is_compatible and other.is_compatible)


V1, V2, V3 = obj({"a": INTEGER}), obj({"a": NUMBER}), obj({"a": {"type": ["number", "string"]}})


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("NONE", True),
        ("BACKWARD", True),
        ("BACKWARD_TRANSITIVE", False),
        ("FORWARD", False),
        ("FORWARD_TRANSITIVE", False),
        ("FULL", False),
        ("FULL_TRANSITIVE", False),
    ],
)
def test_only_transitive_levels_look_further_back_than_the_last(level: str, expected: bool) -> None:
    new = obj({"a": NUMBER})
    # The oldest holds what the new one refuses; the last does not.
    report = check_compatibility(new, [V3, V1], level)
    assert report.is_compatible == expected
    assert report.level == level


def test_a_report_says_which_versions_it_looked_at() -> None:
    versions = [
        RegisteredSchema(str(i), "user", i, body) for i, body in enumerate((V1, V2, V3), start=1)
    ]
    report = check_compatibility(V1, versions, "BACKWARD_TRANSITIVE")
    assert report.compared == ("user@1", "user@2", "user@3")
    assert {v.version for v in report.violations} == {"user@2", "user@3"}


def test_with_nothing_before_any_version_is_compatible() -> None:
    assert check_compatibility(V1, [], "FULL_TRANSITIVE")


def test_a_level_may_be_written_small_and_one_schema_alone() -> None:
    assert check_compatibility(NUMBER, INTEGER, "backward").level == "BACKWARD"


def test_unknown_levels_and_policies_are_named_together_with_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match="BACKWARD_TRANSITIVE"):
        check_compatibility(V1, [V1], "SIDEWAYS")
    with pytest.raises(ConfigurationError, match="lenient"):
        check_compatibility(V1, [V1], "BACKWARD", "loose")


def test_a_new_version_that_is_no_schema_is_an_error() -> None:
    with pytest.raises(InvalidSchema):
        check_compatibility({"type": "strnig"}, [V1])
    with pytest.raises(InvalidSchema):
        check_compatibility({"$ref": "#/$defs/none"}, [V1])


def test_a_previous_version_that_cannot_be_used_is_unknown_with_the_reason() -> None:
    report = check_compatibility(V1, [{"type": "strnig"}])
    assert not report
    assert "cannot be used" in report.unknown[0].reason


def test_what_does_not_compile_is_refused_alike_by_every_comparison() -> None:
    def gathering(number: int) -> Schema:
        parts = [{"$ref": f"#/$defs/d{number + 1}"} for _ in range(2)]
        return {"allOf": parts, "unevaluatedProperties": False}

    levels = {f"d{number}": gathering(number) for number in range(30)}
    for refused in (
        {"$ref": "#/$defs/d0", "$defs": {**levels, "d30": INTEGER}},
        {"type": "strnig"},
        {"pattern": "(?=x)y"},
    ):
        with pytest.raises(InvalidSchema) as compiling:
            compile_validator(refused)
        reason = str(compiling.value).partition(" cannot be used: ")[2]
        calls = [
            partial(check_compatibility, refused, V1),
            *(partial(compare, V1, refused) for compare in (diff, migration_guide)),
            *(partial(compare, refused, V1) for compare in (diff, migration_guide)),
        ]
        for call in calls:
            with pytest.raises(InvalidSchema) as refusal:
                call()
            assert reason in str(refusal.value)
        assert reason in check_compatibility(V1, refused).unknown[0].reason


def test_a_violation_names_the_cause_and_carries_the_change() -> None:
    report = check_compatibility(obj({"a": STRING}, required=["a"]), [obj({"a": STRING})])
    [violation] = report.violations
    assert violation.path == "/required"
    assert "`a` is required now" in violation.message
    assert violation.witness == {}
    assert violation.refused
    assert [change.path for change in violation.changes] == ["/required"]


def test_each_cause_has_a_witness_of_its_own() -> None:
    old = obj({"a": INTEGER, "b": STRING})
    new = obj({"a": STRING, "b": {**STRING, "maxLength": 3}})
    report = check_compatibility(new, [old])
    assert {v.path for v in report.violations} == {
        "/properties/a/type",
        "/properties/b/maxLength",
    }
    assert_shown(report, old, new)


def test_the_witness_may_be_null() -> None:
    report = check_compatibility(STRING, [{"type": ["string", "null"]}])
    assert report.violations[0].witness is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"enum": [1]}, {"enum": [True]}),
        ({"enum": [[0]]}, {"enum": [[False]]}),
        ({"const": 0}, {"const": False}),
    ],
)
def test_true_is_not_one(old: Schema, new: Schema) -> None:
    assert_shown(check_compatibility(new, [old]), old, new)


def test_formats_count_as_the_validator_takes_them() -> None:
    old, new = STRING, {**STRING, "format": "date"}
    assert not check_compatibility(new, [old])
    assert check_compatibility(new, [old], options=ValidationOptions(formats=False))


def test_lookaround_is_refused_or_bounded_as_the_validator_has_it() -> None:
    new = {**STRING, "pattern": "(?=a)a"}
    with pytest.raises(InvalidSchema):
        check_compatibility(new, [STRING])
    bounded = ValidationOptions(regex="bounded")
    assert not check_compatibility(new, [STRING], options=bounded)
    assert check_compatibility(new, [new], options=bounded)


def test_references_into_other_documents_are_followed() -> None:
    schema = obj({"a": {"$ref": "common.json"}})
    old = Source(schema, {"common.json": INTEGER})
    new = Source(schema, {"common.json": NUMBER})
    assert check_compatibility(new, [old])
    assert not check_compatibility(old, [new])
    assert check_compatibility(schema, [schema], resources={"common.json": INTEGER})


def linked(value: Schema, **extra: Any) -> Schema:
    node = obj({"value": value, "next": {"$ref": "#/$defs/node"}}, **extra)
    return {"$ref": "#/$defs/node", "$defs": {"node": node}}


def test_recursive_schemas_evolve() -> None:
    assert check_compatibility(linked(NUMBER), [linked(INTEGER)])
    old, new = linked(NUMBER), linked(INTEGER)
    report = check_compatibility(new, [old])
    assert_shown(report, old, new)
    assert report.violations
    unrolled = obj({"value": INTEGER, "next": linked(INTEGER)["$defs"]["node"]})
    unrolled = {**unrolled, "$defs": linked(INTEGER)["$defs"]}
    assert check_compatibility(unrolled, [linked(INTEGER)], "FULL")


def test_a_difference_deep_in_a_cycle_is_not_taken_for_granted() -> None:
    def pair(last: Schema) -> Schema:
        a = obj({"b": {"$ref": "#/$defs/b"}})
        b = obj({"a": {"$ref": "#/$defs/a"}, "value": last})
        return {"$ref": "#/$defs/a", "$defs": {"a": a, "b": b}}

    old, new = pair(NUMBER), pair(INTEGER)
    assert_shown(check_compatibility(new, [old]), old, new)
    assert check_compatibility(old, [new])


def tagged(**kinds: Schema) -> Schema:
    return {
        "oneOf": [
            obj({"kind": {"const": name}, "value": value}, required=["kind", "value"])
            for name, value in kinds.items()
        ]
    }


def test_tagged_unions_evolve_branch_by_branch() -> None:
    old = tagged(text=STRING, count=INTEGER)
    assert check_compatibility(tagged(text=STRING, count=NUMBER, flag={"type": "boolean"}), [old])
    new = tagged(text=STRING, count=STRING)
    report = check_compatibility(new, [old])
    assert_shown(report, old, new)
    assert report.violations[0].path == "/oneOf/1/properties/value/type"


def test_across_drafts_integers_differ_in_whether_a_whole_float_is_one() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}
    assert check_compatibility(INTEGER, [old])
    report = check_compatibility(INTEGER, [old], "FORWARD")
    assert_shown(report, old, INTEGER)
    assert isinstance(report.violations[0].witness, float)


def test_an_incompatible_report_raises_an_error_that_carries_it() -> None:
    report = check_compatibility(STRING, [INTEGER])
    with pytest.raises(IncompatibleSchema, match=r"user is not BACKWARD compatible") as caught:
        report.raise_if_incompatible("user")
    assert caught.value.report is report
    assert pickle.loads(pickle.dumps(caught.value)).report == report
    check_compatibility(INTEGER, [INTEGER]).raise_if_incompatible()


def test_a_report_travels_as_json() -> None:
    report = check_compatibility(obj({"a": STRING}, required=["a"]), [V1], "FULL")
    assert CompatibilityReport.from_dict(json.loads(report.to_json())) == report


def test_a_report_shows_itself_and_no_text_of_a_schema_is_read_as_markup() -> None:
    name = "<script>[bold]x"
    report = check_compatibility(obj({name: STRING}, required=[name]), [obj({name: STRING})])
    out = io.StringIO()
    Console(file=out, width=300).print(report)
    assert "incompatible" in out.getvalue()
    assert name in out.getvalue()
    assert "<script>" not in report._repr_html_()
    assert "for example {}" in str(report)


def test_a_registrys_own_verdict_stands_beside_ours() -> None:
    ours = check_compatibility(NUMBER, [INTEGER])
    assert ours.beside_server(True, ()).is_compatible
    refused = ours.beside_server(False, ("type changed",))
    assert not refused.is_compatible
    assert refused.registry_verdict is False
    assert "type changed" in refused.unknown[0].reason
    other = check_compatibility(INTEGER, [NUMBER]).beside_server(True, ())
    assert not other.is_compatible
    assert "the registry accepts it" in other.notes[0]


MAP: Schema = {"type": "object"}
ANY_MAP: Schema = {"type": "object", "additionalProperties": True}
NULL: Schema = {"type": "null"}


def with_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, NULL]}


MAPS: dict[str, tuple[Schema, Schema, bool]] = {
    "any values become whole numbers": (ANY_MAP, {**MAP, **INT_MAP}, False),
    "a map of anything becomes one of numbers": (MAP, {**MAP, **INT_MAP}, False),
    "a map gets a property": (ANY_MAP, obj({"a": STRING}), False),
    "a map with named keys gets a property": (
        {**MAP, "propertyNames": {"maxLength": 3}}, obj({"a": STRING}), False),
    "a map is closed": (MAP, obj({"a": STRING}, **CLOSED), False),
    "a map may be null": (with_null(ANY_MAP), with_null({**MAP, **INT_MAP}), False),
    "a map by patterns is closed": (
        {**MAP, "patternProperties": {"^x": STRING}},
        {**MAP, "patternProperties": {"^x": STRING}, **CLOSED}, False),
    "a map with a bound": ({**MAP, "minProperties": 1}, {**MAP, "minProperties": 2}, False),
    "a model or a map": (
        {"anyOf": [obj({"a": STRING}), MAP]},
        {"anyOf": [obj({"a": STRING}), obj({"b": STRING})]}, False),
    "a map of maps": (
        {**MAP, "additionalProperties": MAP},
        {**MAP, "additionalProperties": {**MAP, **INT_MAP}}, False),
    "what is required and not listed": (
        obj({"a": STRING}, required=["b"]), obj({"a": STRING, "b": STRING}, required=["b"]), False),
    "an optional model gets a property": (
        with_null(obj({"a": STRING})), with_null(obj({"a": STRING, "b": STRING})), True),
    "a model in a map gets a property": (
        {**MAP, "additionalProperties": obj({"a": STRING})},
        {**MAP, "additionalProperties": obj({"a": STRING, "b": STRING})}, True),
    "a model beside a map of the others": (
        obj({"m": obj({"a": STRING})}, additionalProperties=MAP),
        obj({"m": obj({"a": STRING, "b": STRING})}, additionalProperties=MAP), True),
    "a class without fields gets one": (obj({}), obj({"a": STRING}), True),
}  # fmt: skip


@pytest.mark.parametrize("around", ["itself", "property", "item", "reference"])
@pytest.mark.parametrize(("old", "new", "expected"), MAPS.values(), ids=MAPS.keys())
def test_the_keys_of_a_map_are_data_under_the_lenient_policy_too(
    old: Schema, new: Schema, expected: bool, around: str
) -> None:
    def placed(schema: Schema) -> Schema:
        match around:
            case "property":
                return obj({"meta": schema})
            case "item":
                return {"type": "array", "items": schema}
            case "reference":
                return {**obj({"meta": {"$ref": "#/$defs/m"}}), "$defs": {"m": schema}}
        return schema

    report = check_compatibility(placed(new), [placed(old)], "BACKWARD", "lenient")
    assert report.is_compatible is expected, report
    assert migration_guide(placed(old), placed(new)).breaks_readers is not expected
    if not expected:
        assert_shown(report, placed(old), placed(new))


def test_a_document_that_is_just_an_object_may_get_properties() -> None:
    def accepts(old: Schema, new: Schema) -> bool:
        return bool(check_compatibility(new, [old], "BACKWARD", "lenient"))

    assert accepts(MAP, obj({"a": STRING, "b": INTEGER}))
    assert accepts({}, {"properties": {"a": STRING}})
    assert not accepts(MAP, obj({"a": STRING}, required=["a"]))
    assert not accepts(MAP, obj({"a": STRING}, **INT_MAP))
    assert not accepts(obj({"meta": MAP}), obj({"meta": obj({"a": STRING})}))


DECIMAL = r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"
"""What pydantic 2.13 writes for a Decimal."""

PRICE: Schema = {"anyOf": [NUMBER, {**STRING, "pattern": DECIMAL}]}


@pytest.mark.parametrize(
    "price",
    [
        PRICE,
        {"type": "object", "patternProperties": {"^(?=x)": STRING}},
        {**STRING, "pattern": r"(a)\1"},
    ],
    ids=["a decimal", "a name", "a backreference"],
)
def test_lookaround_in_a_pattern_that_did_not_change_refuses_no_pair(price: Schema) -> None:
    old, new = obj({"price": price}), obj({"price": price, "note": STRING})
    assert check_compatibility(new, [old], "BACKWARD", "lenient")
    assert not check_compatibility(new, [old], "BACKWARD", "strict").unknown
    longer = obj({"price": price, "note": {**STRING, "maxLength": 3}})
    report = check_compatibility(longer, [old, new], "BACKWARD_TRANSITIVE", "lenient")
    options = ValidationOptions(regex="bounded")
    for violation in report.violations:
        assert compile_validator(new, options=options).is_valid(violation.witness)
        assert not compile_validator(longer, options=options).is_valid(violation.witness)
    assert {item.version for item in report.violations} == {"previous[1]"}
    assert [change.keyword for change in diff(old, new)] == ["note"]
    assert not migration_guide(old, new).is_breaking


def test_lookaround_in_a_pattern_that_is_new_still_refuses_it() -> None:
    old = obj({"price": PRICE})
    new = obj({"price": PRICE, "note": {**STRING, "pattern": "(?=a)b"}})
    for compare in (partial(check_compatibility, new, [old]), partial(diff, old, new)):
        with pytest.raises(InvalidSchema, match="bounded"):
            compare()


DRAFT_4 = "http://json-schema.org/draft-04/schema#"
NOTHING_INSIDE: Schema = {
    "allOf": [{"type": "object", "required": ["b"], "additionalProperties": False}]
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"properties": {"x": {"required": ["a"], "properties": {"a": NOTHING_INSIDE}}}},
            {"properties": {"x": {"required": ["x"], "properties": {"a": INTEGER}}}},
        ),
        (
            {"required": ["ab"], "additionalProperties": False, "patternProperties": {"1": {}}},
            {"patternProperties": {"1": {"properties": {"x": INTEGER}}}, "required": ["a"]},
        ),
        (
            {"properties": {"a": {"additionalProperties": False, "minProperties": 2}}},
            {"properties": {"a": {"required": ["b"], "properties": {"c": INTEGER}}}},
        ),
        (
            {"properties": {"ab": {"not": {"type": "array"}}}},
            {"properties": {"ab": {"items": [INTEGER]}}},
        ),
        (
            {"items": [{"allOf": [STRING, {"type": "object"}]}], "properties": {"x": INTEGER}},
            {"maxItems": 2, "properties": {"x": INTEGER}},
        ),
        (
            {
                "patternProperties": {
                    "^a": {"type": "string", "maxLength": 1, "pattern": "^.{2}$"}
                },
                "additionalProperties": False,
            },
            {"additionalProperties": False},
        ),
    ],
)
def test_what_no_data_can_be_breaks_nobody(old: Schema, new: Schema) -> None:
    report = check_compatibility({"$schema": DRAFT_4, **new}, [{"$schema": DRAFT_4, **old}])
    assert report.is_compatible


def test_a_property_by_pattern_is_shown_where_the_nearest_name_has_a_schema_of_its_own() -> None:
    old = {"properties": {"b": {"type": "array"}}, "patternProperties": {"b$": {}}}
    new = {"patternProperties": {"b$": {"minProperties": 3}}}
    report = check_compatibility(new, [old], policy="lenient")
    witness = report.violations[0].witness
    assert compile_validator(old).is_valid(witness)
    assert not compile_validator(new).is_valid(witness)


@pytest.mark.parametrize(
    "refusing",
    [
        {"not": INTEGER},
        {"oneOf": [INTEGER, {"type": "number"}]},
        {"allOf": [{"not": {"anyOf": [INTEGER, STRING]}}]},
    ],
)
def test_that_1_0_is_no_integer_in_draft_4_holds_where_integers_are_refused(
    refusing: Schema,
) -> None:
    old = {"$schema": DRAFT_4, "enum": [1.0], **refusing}
    assert compile_validator(old).is_valid(1.0)
    assert not check_compatibility(STRING, [old])
