"""JSON and YAML texts: whatever they hold, a JSON value or one plain error, and soon."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_integrations.core.documents import parse_json, parse_yaml

WORDS = st.sampled_from(
    ["a", "&a", "*a", "<<", ": ", "- ", "? ", "\n", "  ", "{", "}", "[", "]", ",", "!!int",
    "!!merge",
     "!!bool", "!!timestamp", "!!set", "!x", "!", "|", ">", "'", '"', "1", "0x", "1e999", "---",
     "...",
     "#", "%TAG ! !\n", "~", "true", "\t", "\\ud800", "NaN"]
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_alike_as_json_and_as_yaml(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text) == value
    assert parse_yaml(text) == value


@given(st.lists(WORDS, max_size=30).map("".join) | st.text(max_size=30))
def test_whatever_a_text_holds_the_only_error_is_a_value_error(text: str) -> None:
    for parse in (parse_json, parse_yaml, lambda text: parse_yaml(text, merge=True)):
        with contextlib.suppress(ValueError):
            json.dumps(parse(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("# nothing", None),
        ("a: [no, yes, 2024-01-01]", {"a": ["no", "yes", "2024-01-01"]}),
        ("[1, 1.5, 1e3, .5, -0, 007, 0x1]", [1, 1.5, 1000.0, 0.5, 0, "007", "0x1"]),
        ("[~, null, '', 'null']", [None, None, "", "null"]), ("1: a", {"1": "a"}),
        ("!!map {a: !!seq [!!str 1, !!int 1, !!float 1, !!bool true, !!null ~]}",
         {"a": ["1", 1, 1.0, True, None]}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}), ("a: {<<: 1}", {"a": {"<<": 1}}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    ],
)  # fmt: skip
def test_yaml_means(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


def test_what_two_aliases_stand_for_is_not_one_object() -> None:
    value = parse_yaml("a: &x {k: [1]}\nb: *x")
    value["a"]["k"].append(2)
    assert value["b"] == {"k": [1]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", {"x": 1, "y": 3}),
        ("a: &a {x: 1}\nb: {<<: [*a, {x: 2, z: 3}]}", {"x": 1, "z": 3}),
        ("a: &a {x: 1}\nb: {y: 1, !!merge k: *a}", {"x": 1, "y": 1}),
        ("b: {'<<': 1}", {"<<": 1}),
    ],
)
def test_mappings_are_merged_where_that_is_asked_for(text: str, value: Any) -> None:
    assert parse_yaml(text, merge=True)["b"] == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!!bool foo", "!!bool is not a JSON boolean at line 1"),
        ("a:\n  !!int 0x", "!!int is not a JSON number at line 2"),
        ("!!int ''", "not a JSON number"), ("!!float x", "not a JSON number"),
        ("!!null x", "not a JSON null"), ("!!timestamp 99999999999", "timestamp"),
        ("!!binary aGk=", "binary"), ("!!set {a}", "set"), ("!!omap [a: 1]", "omap"),
        ("!!merge a: {b: 1}", "merge"), ("{!!merge <<: {b: 1}}", "merge"), ("!mine x", "!mine"),
        ("!!python/object:os.system x", "python"), ("!!map [1]", "map"), ("!!seq {a: 1}", "seq"),
        ("1e999", "too large"), ("-" + "9" * 5_000, "4300 digits"),
        ("!!int " + "9" * 5_000, "digits"),
        ("&a [*a]", "aliases"), ("*b", "aliases"), ("a\n---\nb", "more than one document"),
        ("? [1]\n: 2", "a key is not text"), ("true: 1", "a key is not text"),
        ("1: a\n'1': b", "the key '1' stands twice"), ("a: b: c", "line 1"), ("\0", "not YAML"),
        ("[" * 100_000, "too deeply"), ("{a: " * 100_000, "too deeply"),
        ("- " * 100_000, "too deeply"),
        ("? " * 100_000, "too deeply"), ("%TAG !a! !\n" * 50_000 + "--- a", "directives"),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_no_json_value_is_meant_by_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "NaN is not JSON"), ("[-Infinity]", "-Infinity is not JSON"),
        ("1e999", "too large"),
        ("9" * 5_000, "4300 digits"), ('{"a": {"b": 1, "b": 1}}', "'b' stands twice"),
        ("[" * 100_000, "too deeply"), ('{"a":' * 100_000, "too deeply"), ("{", "line 1, column 2"),
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def _merges(levels: int) -> str:
    """Each level merges the one before three times."""
    lines = ["a0: &a0 {x: 1, y: 2, z: 3}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


def _nested_merges(levels: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: *a{n - 1}}}" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            ["a0: &a0 [x]"]
            + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        ),
        "a: &a '" + "x" * 1_000_000 + "'\nb: [" + "*a," * 100 + "]",
        "\n".join(
            ["a0: &a0 {x: 1}"]
            + [f"a{n}: &a{n} {{" + f"!!merge k: *a{n - 1}," * 9 + "}" for n in range(1, 12)]
        ),
        _nested_merges(40),
        _merges(200),
        "".join(f"k{number}: 1\n" for number in range(20_000)),
        "[" + "a," * 100_000 + "]",
    ],
    ids=["aliases", "text", "merge tags", "nested merges", "merges", "keys", "items"],
)
@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.timeout(20)  # keys compared with each other, or aliases written out, take longer
def test_no_text_takes_long(text: str, merge: bool) -> None:
    with contextlib.suppress(ValueError):
        parse_yaml(text, merge=merge)


@pytest.mark.timeout(20)
def test_many_keys_of_json_are_compared_once() -> None:
    text = json.dumps({f"k{number}": 1 for number in range(100_000)})[:-1] + ', "k99999": 2}'
    with pytest.raises(ValueError, match="'k99999' stands twice"):
        parse_json(text)
