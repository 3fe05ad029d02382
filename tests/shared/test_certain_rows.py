"""A line that is taken for certainly valid is valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.tables.certain_rows import certain_rows
from llm_integrations.core.validation import compile_validator

numbers = st.sampled_from([-1, 0, 1, 1.5, 2, 2**53, 2**53 + 1, 2**64, 10**30, -0.0, 1e20, 0.1])
leaves = st.one_of(
    st.fixed_dictionaries({}, optional={"type": st.just("string"), "minLength": st.integers(0, 3)}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", ["integer", "null"], ["number", "string"]])},
        optional={
            "minimum": numbers,
            "maximum": numbers,
            "exclusiveMinimum": numbers,
            "maxLength": st.integers(0, 2),
            "multipleOf": st.just(2),
        },
    ),
    st.sampled_from(
        [
            {"enum": ["a", "b"]},
            {"enum": ["a", 1]},
            {"const": "a"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "string", "title": "t", "maxLength": 1},
            {"type": "string", "pattern": "a"},
            {"type": "string", "format": "date"},
            {"$ref": "#/$defs/A"},
            {"$ref": "#/$defs/loop"},
            True,
            False,
        ]
    ),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("ab"), inner)},
        optional={
            "required": st.lists(st.sampled_from("ab"), unique=True),
            "additionalProperties": st.booleans(),
            "minProperties": st.just(1),
        },
    )


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        objects(inner),
        st.fixed_dictionaries(
            {"type": st.just("array")}, optional={"items": inner, "minItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=4,
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.sampled_from(["", "a", "b", "ab", "😀", "abc"]),
    lambda v: st.lists(v, max_size=2) | st.dictionaries(st.sampled_from("abc"), v, max_size=3),
    max_leaves=6,
)
found = {"certain": 0}


@settings(max_examples=100)
@given(objects(schemas), st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=8))
def test_what_is_certain_is_valid(schema: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    defs = {"A": {"type": "string", "maxLength": 1}, "loop": {"$ref": "#/$defs/loop"}}
    validator = compile_validator({**schema, "$defs": defs})
    certain = certain_rows(validator)
    for row in rows if certain else ():
        for line in (json.dumps(row).encode(), json.dumps(row, ensure_ascii=False).encode()):
            if certain is not None and certain.hold(line, 1):
                found["certain"] += 1
                assert validator.is_valid(row)
    if certain is not None:
        each = [json.dumps(row).encode() for row in rows]
        doubtful = certain.doubtful(each, is_utf8=True)
        assert all(validator.is_valid(row) for n, row in enumerate(rows) if n not in doubtful)


def test_something_was_certain() -> None:
    assert found["certain"]


CHAT = {
    "$id": "chat",
    "type": "object",
    "properties": {"m": {"type": "array", "items": {"$ref": "#/$defs/Message"}}},
    "required": ["m"],
    "$defs": {
        "Message": {
            "type": "object",
            "properties": {"role": {"enum": ["user"]}, "n": {"type": "number", "maximum": 3}},
            "required": ["role"],
        }
    },
}


@pytest.mark.parametrize(
    ("line", "certain"),
    [
        (b'{"m": [{"role": "user", "n": 1}]}', True),
        (b'{"m": [{"n": 1, "role": "user", "n": 3}]}', True),
        (b'{"m": [{"role": "user", "role": "user"}], "m": []}', True),
        (b'{"m": [{"role": "user", "other": 1e400}]}', False),
        (b'{"m": [{"role": "user", "n": NaN}]}', False),
        (b'{"m": [{"role": "user", "n": 4}]}', False),
        (b'{"m": [{"role": "us\\u0065r"}]}', True),
        (b'{"m": [{"role": "\\ud800"}]}', False),
        (b'{"m": [{"n": 1}]}', False),
        (b'{"m": [1]}', False),
        (b'{"m": null}', False),
        (b"{}", False),
    ],
)
def test_chats_are_certain_as_far_as_all_of_them_is_declared(line: bytes, certain: bool) -> None:
    rows = certain_rows(compile_validator(CHAT))
    assert rows is not None
    assert rows.hold(line, 1) is certain


TEXTS = {
    "type": "object",
    "properties": {
        "t": {"type": "string"},
        "full": {"type": "string", "minLength": 1},
        "list": {"type": "array", "items": {"type": "string"}},
        "in": {"type": "object", "properties": {"t": {"type": "string"}}},
        "maybe": {"type": ["string", "null"]},
    },
    "required": ["t"],
}


@pytest.mark.parametrize(
    ("line", "certain"),
    [
        (b'{"t": ""}', True),
        (b'{"t" :  "x\\n\\u00e9\\ud83d\\ude00" }', True),
        ('{"t": "é“”😀", "full": "é", "list": ["", "x"], "in": {}, "maybe": null}'.encode(), True),
        (b'{"t": 1, "t": "x"}', True),
        (b'{"t": "x", "t": 1}', False),
        (b'{"t": null}', False),
        (b'{"t": ["x"]}', False),
        (b'{"t": {"t": "x"}}', False),
        (b'{"t": 7}', False),
        (b'{"t": "x", "full": ""}', False),
        (b'{"t": "x", "full": 1}', False),
        (b'{"t": "x", "full": "\\""}', True),
        (b'{"t": "x", "list": ["x", 1]}', False),
        (b'{"t": "x", "list": null}', False),
        (b'{"t": "x", "in": {"t": true}}', False),
        (b'{"t": "x", "maybe": 1}', False),
        (b'{"t": "\xe9"}', False),
        (b'{"t": "\xed\xa0\x80"}', False),
        (b'{"t": "\xf4\x90\x80\x80"}', False),
        (b'{"t": "x", "list": ["\xc0\x80"]}', False),
        (b'{"t": "\\ud800"}', False),
        (b'{"t": "\\ud800\\n"}', False),
        (b'{"t": "\\x"}', False),
        (b'{"t": "\x01"}', False),
        (b'{"t": "a\tb"}', False),
        (b'{"t": "x", "\xe9": 1}', False),
    ],
)
def test_a_text_is_certain_without_being_made(line: bytes, certain: bool) -> None:
    good = b'{"t": "x"}'
    for lines in (line, b"\n".join([good, line]), b"\n".join([line, good])):
        rows = certain_rows(compile_validator(TEXTS))
        assert rows is not None
        assert rows.hold(memoryview(lines), lines.count(b"\n") + 1) is certain
        assert rows.doubtful([good, line + b"\n", good]) == ([] if certain else [1])


def test_what_no_type_says_the_engine_says_of_all_values_of_a_column() -> None:
    properties = {
        "mail": {"type": "string", "pattern": "@", "maxLength": 9},
        "count": {"type": "integer", "multipleOf": 5},
        "tags": {"type": "array", "items": {"type": ["string", "null"], "pattern": "^t"}},
    }
    schema = {"type": "object", "properties": properties, "required": ["mail"]}
    rows = certain_rows(compile_validator(schema))
    assert rows is not None
    good = [
        b'{"mail": "a@b"}',
        b'{"mail": "a@b", "count": 10, "tags": []}',
        b'{"mail": "a@b", "count": -5, "tags": ["t", null]}',
    ]
    bad = [
        b'{"mail": "a.b"}',
        b'{"mail": "a@b", "count": 6}',
        b'{"mail": "a@b", "count": true}',
        b'{"mail": "a@b", "tags": ["t", "x"]}',
        b'{"mail": "a@b@c@d@e@"}',
        b'{"mail": null}',
        b'{"mail": "a@b", "count": null}',
    ]
    assert rows.hold(b"\n".join(good), 3)
    assert not rows.hold(b"\n".join([*good, bad[0]]), 4)
    assert rows.doubtful([*good, *bad[:-1], *good, bad[-1]]) == [*range(3, 9), 12]


def test_where_few_lines_are_certain_none_is_looked_at() -> None:
    rows = certain_rows(compile_validator(CHAT))
    assert rows is not None
    assert not any(rows.hold(b'{"m": 1}', 1) for _ in range(8))
    assert not rows.is_useful
    assert not rows.hold(b'{"m": []}', 1)
    assert rows.doubtful([b'{"m": []}']) == [0]


def test_a_bad_line_among_good_ones_is_found_by_itself_and_costs_no_trust() -> None:
    rows = certain_rows(compile_validator(CHAT))
    assert rows is not None
    lines = [b'{"m": []}'] * 12 + [b'{"m": 1}']
    for _ in range(20):
        assert not rows.hold(b"\n".join(lines), len(lines))
        assert rows.doubtful(lines) == [12]
    assert rows.is_useful


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"type": "object"},
        {**CHAT, "$schema": "http://json-schema.org/draft-04/schema#"},
        {**CHAT, "minProperties": 1},
        {**CHAT, "unevaluatedProperties": False},
        {**CHAT, "required": ["m", "x"]},
        {"type": "object", "properties": {"a": {}}},
    ],
)
def test_what_types_cannot_say_is_left_to_the_engine(schema: Any) -> None:
    assert certain_rows(compile_validator(schema)) is None


def test_null_that_stands_for_a_missing_value_is_left_to_the_engine() -> None:
    validator = compile_validator(CHAT, options=ValidationOptions(nulls="absent"))
    assert certain_rows(validator) is None
