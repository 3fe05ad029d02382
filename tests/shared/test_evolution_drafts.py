"""Schemas of all drafts are brought to one form, without a change of any verdict."""

from __future__ import annotations

import random
import re
from typing import Any

import jsonschema_rs
import pytest

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.evolution import check_compatibility
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.limits import Limits, Undecidable
from llm_integrations.core.evolution.model.source import Source, source_of
from llm_integrations.core.evolution.normal_form.normalise import normalise_pair
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle
from llm_integrations.core.evolution.proof.prover import RULES
from llm_integrations.core.validation import compile_validator
from tests.support.schema_fuzz import DRAFTS, SchemaMaker, mutations, scramble

Schema = dict[str, Any]


def rewritten(source: Source) -> tuple[ContainmentOracle, Schema, bool]:
    workspace, node, _ = normalise_pair(source, source, formats=True, limits=Limits())
    oracle = ContainmentOracle(workspace, ValidationOptions())
    return oracle, node, workspace.has_unenforced(node)


STRING: Schema = {"type": "string"}
BY_DRAFT: list[tuple[int, Schema, list[Any]]] = [
    (4, {"minimum": 1, "exclusiveMinimum": True}, [1, 1.5, "x"]),
    (4, {"maximum": 1, "exclusiveMaximum": False}, [1, 2]),
    (4, {"items": [STRING], "additionalItems": False}, [["a"], ["a", 1], [1]]),
    (4, {"definitions": {"a": {"id": "http://x/a", **STRING}}, "items": {"$ref": "http://x/a"}},
     [["a"], [1]]),
    (4, {"const": 1, "contains": STRING}, [2, []]),
    (6, {"definitions": {"a": {"$id": "#a", **STRING}}, "items": {"$ref": "#a"}}, [["a"], [1]]),
    (6, {"if": STRING, "then": False}, ["a"]),
    (7, {"dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
     [{"a": 1}, {"a": 1, "b": 1}, {"c": 1}, {"c": 1, "d": 1}]),
    (7, {"definitions": {"a": {}}, "items": {"$ref": "#/definitions/a", **STRING}}, [[1]]),
    (7, {"contains": STRING, "minContains": 2}, [["a"], []]),
    (2019, {"properties": {"a": {"$recursiveRef": "#"}}, "additionalProperties": False},
     [{"a": {"a": {}}}, {"a": {"b": 1}}]),
    (2019, {"$defs": {"a": {"$anchor": "q", **STRING}}, "items": {"$ref": "#q"}}, [["a"], [1]]),
    (2019, {"$defs": {"a": {"$id": "sub/", "$defs": {"b": STRING}, "$ref": "#/$defs/b"}},
            "items": {"$ref": "#/$defs/a"}}, [["a"], [1]]),
    (2020, {"$dynamicAnchor": "n", "properties": {"a": {"$dynamicRef": "#n"}},
            "additionalProperties": False}, [{"a": {}}, {"a": {"b": 1}}]),
    (2020, {"prefixItems": [STRING], "unevaluatedItems": False}, [["a"], ["a", 1]]),
    (2020, {"properties": {"a": {}}, "unevaluatedProperties": False}, [{"a": 1}, {"b": 1}]),
    (2020, {"const": 1, "enum": [2]}, [1, 2]),
    (2020, {"maxLength": 2.0}, ["aa", "aaa"]),
    (2020, {"$defs": {"a/b%": STRING}, "items": {"$ref": "#/$defs/a~1b%25"}}, [["a"], [1]]),
    (2020, {"enum": [{"$ref": "#/nowhere"}]}, [{"$ref": "#/nowhere"}, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("draft", "schema", "values"), BY_DRAFT)
def test_a_rewritten_schema_judges_as_the_original(
    draft: int, schema: Schema, values: list[Any]
) -> None:
    written = {"$schema": DRAFTS[draft], **schema}
    oracle, node, _ = rewritten(source_of(written))
    judge = compile_validator(written)
    for value in values:
        assert oracle.is_valid(node, value) is Answer.of(judge.is_valid(value)), value


@pytest.mark.parametrize("draft", DRAFTS)
def test_random_schemas_judge_random_data_the_same_before_and_after(draft: int) -> None:
    tried = valid = 0
    for seed in range(60):
        rng = random.Random(f"{draft} {seed}")
        schema = SchemaMaker(rng, draft).document()
        oracle, node, is_stricter = rewritten(source_of(schema))
        judge = compile_validator(schema)
        for value in [v for _ in range(12) for v in mutations(scramble(rng), rng, 3)]:
            verdict = judge.is_valid(value)
            after = oracle.is_valid(node, value) is Answer.YES
            # What 2020-12 cannot say is kept beside: then the rewritten schema may accept more.
            assert after == verdict or (is_stricter and after and not verdict), (seed, value)
            tried, valid = tried + 1, valid + verdict
    assert tried > 2_000
    assert valid > 200


NOT_A_FORMAT = {
    "regex": "(",
    "uri-reference": "\\\\ ",
    "iri-reference": "\\\\ ",
    "uri-template": "{",
    "json-pointer": "x",
}
FORMATS = [
    "date", "time", "date-time", "duration", "email", "idn-email", "hostname", "idn-hostname",
    "ipv4", "ipv6", "uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template",
    "json-pointer", "relative-json-pointer", "regex", "color", "unknown",
]  # fmt: skip


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_counts_in_the_drafts_in_which_the_engine_asserts_it(
    draft: int, name: str
) -> None:
    schema = {"$schema": DRAFTS[draft], "format": name}
    text = NOT_A_FORMAT.get(name, "::: not \u0000")
    oracle, node, _ = rewritten(source_of(schema))
    assert oracle.is_valid(node, text) is Answer.of(compile_validator(schema).is_valid(text))


def test_references_go_through_the_documents_that_are_given() -> None:
    source = Source({"$ref": "a.json#/$defs/x"}, {"a.json": {"$defs": {"x": {"$ref": "b.json"}}},
                                                  "b.json": STRING})  # fmt: skip
    oracle, node, _ = rewritten(source)
    assert oracle.is_valid(node, "a") is Answer.YES
    assert oracle.is_valid(node, 1) is Answer.NO


REFERENCED: dict[str, tuple[int | None, Any, list[Any], list[Any]]] = {
    # the root's draft, what it refers to, values that are valid, values that are not
    "nothing beside $ref counts": (
        7, {"definitions": {"s": STRING}, "$ref": "#/definitions/s", "type": "integer"}, ["a"], [1]
    ),
    "a flag beside the bound": (4, {"minimum": 1, "exclusiveMinimum": True}, [2], [1]),
    "1.0 is no integer": (4, {"type": "integer"}, [1], [1.0]),
    "a later keyword has no effect": (7, {"minContains": 2, "contains": STRING}, [["a"]], [[1]]),
    "an id of the draft": (
        4, {"definitions": {"s": {"id": "#x", **STRING}}, "items": {"$ref": "#x"}}, [["a"]], [[1]]
    ),
    "a draft of its own": (
        7, {"$schema": DRAFTS[2020], "$defs": {"s": STRING}, "$ref": "#/$defs/s", "maxLength": 1},
        ["a"], ["ab", 1],
    ),
    "no draft at all": (None, {"$defs": {"s": STRING}, "$ref": "#/$defs/s", "maxLength": 1},
                        ["a"], ["ab", 1]),
    "a boolean": (7, True, ["a"], []),
}  # fmt: skip


@pytest.mark.parametrize("indirect", [False, True])
@pytest.mark.parametrize(
    ("draft", "body", "valid", "invalid"), REFERENCED.values(), ids=REFERENCED.keys()
)
def test_a_referenced_schema_without_a_draft_is_read_by_its_roots(
    draft: int | None, body: Any, valid: list[Any], invalid: list[Any], indirect: bool
) -> None:
    root: Schema = {"properties": {"a": {"$ref": "b.json" if indirect else "c.json"}}}
    if draft is not None:
        root["$schema"] = DRAFTS[draft]
    resources: Schema = {"b.json": {"allOf": [{"$ref": "c.json"}]}, "c.json": body}
    judge = compile_validator(root, resources=resources)
    oracle, node, is_stricter = rewritten(Source(root, resources))
    for value in valid + invalid:
        expected = value in valid and not (value == 1 and isinstance(value, float))
        assert judge.is_valid({"a": value}) is expected
        assert bool(judge.validate({"a": value})) is expected
        assert is_stricter or oracle.is_valid(node, {"a": value}) is Answer.of(expected)
    declared = {name: {**r, "$schema": DRAFTS[draft]} if draft and isinstance(r, dict)
                and "$schema" not in r else r for name, r in resources.items()}  # fmt: skip
    assert check_compatibility(Source(root, declared), [Source(root, resources)], "FULL")


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"items": [STRING]}, "draft-07"),
        ({"type": "object", "properties": {"a": {"items": [STRING, STRING]}}}, "draft-07"),
        ({"minimum": 1, "exclusiveMinimum": True}, "draft-04"),
        ({"items": [STRING], "maxLength": -1}, None),
        ({"type": "strnig"}, None),
        ({"$schema": DRAFTS[2020], "items": [STRING]}, None),
    ],
)
def test_a_schema_of_an_older_draft_that_it_does_not_name_says_which_to_name(
    schema: Schema, named: str | None
) -> None:
    with pytest.raises(InvalidSchema) as raised:
        compile_validator(schema)
    found = re.search(r'"\$schema": "(.*?)"', str(raised.value))
    assert (found is not None) is (named is not None), raised.value
    if named and found:
        assert named in found[1]
        compile_validator({"$schema": found[1], **schema})
    with pytest.raises(InvalidSchema, match=re.escape(named or "no JSON Schema")):
        check_compatibility(schema, [{}])


def test_a_referenced_schema_of_an_older_draft_says_which_its_root_should_name() -> None:
    root = {"properties": {"a": {"$ref": "t.json"}}}
    resources = {"t.json": {"minimum": 1, "exclusiveMinimum": True}}
    with pytest.raises(InvalidSchema) as raised:
        compile_validator(root, resources=resources)
    found = re.search(r'"\$schema": "(.*?)"', str(raised.value))
    assert found is not None
    named = compile_validator({"$schema": found[1], **root}, resources=resources)
    assert named.is_valid({"a": 2})
    assert not named.is_valid({"a": 1})


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "https://example.com/dialect"},
        {"$ref": "elsewhere.json"},
        {"$ref": "#nowhere"},
        {"$ref": "#/$defs/nowhere"},
        {
            "$defs": {
                "a": {"$id": "a", "$dynamicAnchor": "n"},
                "b": {"$id": "b", "$dynamicAnchor": "n"},
            },
            "$dynamicAnchor": "n",
            "$dynamicRef": "#n",
        },
    ],
)
def test_what_has_no_such_form_is_undecidable_and_says_why(schema: Schema) -> None:
    with pytest.raises(Undecidable, match=r"\w"):
        rewritten(source_of(schema))


def test_every_keyword_of_the_form_has_a_rule_or_goes_with_one_that_has() -> None:
    together = {"minContains", "maxContains", "then", "else"}
    produced: set[str] = set()
    for seed in range(300):
        rng = random.Random(seed)
        schema = SchemaMaker(rng, rng.choice(list(DRAFTS))).document()
        workspace, node, _ = normalise_pair(
            source_of(schema), source_of(schema), formats=True, limits=Limits()
        )
        for root in (node, *workspace.definitions.values()):
            for part in workspace.applied(root, conditional=True):
                produced |= part.keys()
    assert produced - RULES.keys() - together == set()
    assert len(produced) > 20


def test_the_rewritten_form_is_a_schema_of_its_own() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        schema = SchemaMaker(rng, rng.choice(list(DRAFTS))).document()
        workspace, node, _ = normalise_pair(
            source_of(schema), source_of(schema), formats=True, limits=Limits()
        )
        jsonschema_rs.meta.validate(workspace.standalone(node))
