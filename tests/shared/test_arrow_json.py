"""JSON text is judged as what it says, wherever in a table it stands."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import compile_arrow, set_aside
from llm_integrations.core.arrow.kernels import jsontext
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine

OBJECT = {"type": "object", "required": ["k"]}
CHAT = {
    "properties": {
        "messages": {
            "type": "array",
            "items": {"properties": {"role": {"enum": ["user"]}, "arguments": OBJECT}},
        }
    }
}
TEXTS = ['{"k": 1}', "[1]", "broken", "null", '{"k": NaN}', '{"k": null}']
RIGHT = [True, False, False, False, False, True]


LISTS, STORED = pa.list_(pa.json_()), pa.list_(pa.string())


def nested(values: list[Any], kind: Any = LISTS, stored: Any = STORED) -> Any:
    return pa.array(values, stored).cast(kind)


LAYOUTS: dict[str, tuple[Any, Any, Callable[[str], Any]]] = {
    "list": (pa.list_(pa.json_()), pa.list_(pa.string()), lambda text: [text]),
    "large list": (pa.large_list(pa.json_()), pa.large_list(pa.string()), lambda text: [text]),
    "fixed list": (pa.list_(pa.json_(), 1), pa.list_(pa.string(), 1), lambda text: [text]),
    "list of lists": (
        pa.list_(pa.list_(pa.json_())),
        pa.list_(pa.list_(pa.string())),
        lambda text: [[text]],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_items_of_lists_are_what_they_say(layout: str) -> None:
    kind, stored, wrapped = LAYOUTS[layout]
    items: Any = {"type": "array", "items": OBJECT}
    schema = {"type": "array", "items": items} if layout == "list of lists" else items
    column = nested([wrapped(text) for text in TEXTS], kind, stored)
    plan = compile_arrow({"properties": {"x": schema}})
    for part, right in ((column, RIGHT), (column.slice(2, 3), RIGHT[2:5])):
        assert plan.mask(pa.table({"x": part})).to_pylist() == right


def test_members_of_structs_in_lists_are_what_they_say_and_so_are_their_reasons() -> None:
    kind = pa.list_(pa.struct([("role", pa.string()), ("arguments", pa.json_())]))
    stored = pa.list_(pa.struct([("role", pa.string()), ("arguments", pa.string())]))
    rows = [[{"role": "user", "arguments": text}] for text in TEXTS]
    table = pa.table({"messages": nested([*rows, None, [None]], kind, stored)})
    plan = compile_arrow(CHAT)
    # A null that stands for a missing value is none in the text of an object.
    assert plan.mask(table).to_pylist() == [True, False, False, True, False, True, True, True]
    found = dict(plan.validate(table).violations())
    assert {row: (one[0].path, one[0].keyword) for row, one in found.items()} == {
        1: ("/messages/0/arguments", "type"),
        2: ("/messages/0/arguments", "type"),
        4: ("/messages/0/arguments/k", "type"),
    }
    assert found[2][0].message == "is not JSON text"
    assert "it is JSON text" in str(plan.explain(table.schema))


@pytest.mark.parametrize("view", [False, True])
def test_text_within_columns_is_named_by_its_place(view: bool) -> None:
    text = pa.string_view() if view else pa.string()
    kind = pa.list_(pa.struct([("role", pa.string()), ("arguments", text)]))
    rows = [[{"role": "user", "arguments": text}] for text in TEXTS]
    table = pa.table({"messages": pa.array(rows, kind)})
    plan = compile_arrow(CHAT, json_columns=["/messages/*/arguments"])
    assert plan.mask(table).to_pylist() == [True, False, False, True, False, True]
    texts = pa.table({"messages": pa.array([[text] for text in TEXTS], pa.list_(text))})
    plan = compile_arrow({"properties": {"messages": {"items": OBJECT}}}, json_columns=["messages"])
    assert plan.mask(texts).to_pylist() == RIGHT


def test_a_column_of_structs_is_no_text_and_the_error_says_what_to_name() -> None:
    table = pa.table({"call": [{"name": "a", "arguments": "{}"}]})
    plan = compile_arrow({}, json_columns=["call"])
    with pytest.raises(ConfigurationError, match="name the part of it that is, as '/call/name'"):
        plan.mask(table)


def test_a_column_whose_name_is_like_a_place_is_a_column() -> None:
    table = pa.table({"/a/b": ["1", "x"]})
    plan = compile_arrow({}, json_columns=["/a/b"])
    assert plan.mask(table).to_pylist() == [True, False]


def test_nested_json_is_set_aside_as_what_it_says(tmp_path: Path) -> None:
    plan = compile_arrow({"properties": {"m": {"items": OBJECT}}})
    column = nested([["[1]"], ["broken"], ['{"k": 2}']])
    table = plan.annotate(pa.table({"m": column}))
    tally = plan.tally(table)
    bad = table.filter(pc.invert(table["schema_valid"])).drop_columns(["schema_valid"])
    set_aside([bad], tmp_path, tally, source="here")
    values = [record.value for record in Quarantine(tmp_path).records()]
    assert sorted(values, key=json.dumps) == [{"m": ["broken"]}, {"m": [[1]]}]


def test_null_within_json_text_may_stand_for_a_missing_property_as_in_columns() -> None:
    schema = {"properties": {"m": {"items": {"properties": {"a": {"type": "integer"}}}}}}
    column = nested([['{"a": null}'], ['{"a": "null"}']])
    assert compile_arrow(schema).mask(pa.table({"m": column})).to_pylist() == [True, False]


CITY = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"args": CITY}, "required": ["args"]},
        {"properties": {"id": {"minimum": 0}}},
        {"anyOf": [{"properties": {"args": {"type": "array"}}}, {"properties": {"args": CITY}}]},
        {"oneOf": [{"properties": {"args": {"type": "array"}}}, {"properties": {"args": CITY}}]},
        {
            "if": {"properties": {"args": {"required": ["x"]}}},
            "then": {"properties": {"args": {"maxProperties": 5}}},
            "else": {"properties": {"args": CITY}},
        },
    ],
    ids=lambda schema: next(iter(schema)),
)
def test_each_text_is_read_once_however_many_parts_of_the_schema_look_at_it(
    schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []

    def read(text: str) -> Any:
        texts.append(text)
        return json.loads(text)

    monkeypatch.setattr(jsontext, "_read", read)
    rows = [json.dumps({"city": f"c{n}", "note": None}) for n in range(50)] * 2
    plan = compile_arrow(schema, json_columns=["args"])
    assert plan.mask(pa.table({"id": range(100), "args": rows})).true_count == 100
    assert sorted(texts) == sorted(set(rows))


def test_texts_that_come_again_in_the_next_block_are_read_once_wherever_the_plan_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    known = jsontext.parsed

    def noted(text: str) -> Any:
        read.append(text)
        return known(text)

    monkeypatch.setattr(jsontext, "parsed", noted)
    body = {"properties": {"args": {"type": "object", "properties": {"n": {"maximum": 5}}}}}
    sent = pickle.dumps(compile_arrow(body, json_columns=["args"], reference="texts@1"))
    texts = [f'{{"n": {n % 8}}}' for n in range(80)] + [None, "null", '{"n": null}', "{", "[1]"]
    blocks = [pa.table({"args": texts}), pa.table({"args": texts[::-1]})]
    first, second = (pickle.loads(sent).mask(block).to_pylist() for block in blocks)
    assert first == second[::-1]
    assert first[:8] == [n <= 5 for n in range(8)]
    assert first[80:] == [True, True, True, False, False]
    assert len(read) == len(set(read)) == 12
    long = pa.table({"args": [f'{{"n": {" " * 300}1}}', *texts]})
    assert pickle.loads(sent).mask(long).to_pylist()[0]
    pickle.loads(sent).mask(long)
    assert len(read) == 14
