"""What a reader could not read, and rows that were not read at all: raw lines."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from llm_integrations.core.arrow import arrow_schema, read_reasons
from llm_integrations.core.arrow.driver import JudgedData, WorkerJudge
from llm_integrations.core.arrow.pyarrow_modules import pc
from llm_integrations.core.arrow.run.selecting import rows_where
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.core.validation import compile_validator

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "s": {"type": ["string", "null"]}},
    "required": ["n"],
    "additionalProperties": False,
}


COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}


class Judge(WorkerJudge):
    module: ClassVar[str] = "test-readers"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("row", SCHEMA)
        yield client


def reasons(table: pa.Table) -> list[str | None]:
    texts = table["schema_errors"].to_pylist()
    return [text and str(read_reasons(text)[0].keyword) for text in texts]


def quarantined(judge: Judge, judged: pa.Table, folder: Path) -> list[Any]:
    bad = rows_where(judged, pc.invert(judged["schema_valid"])).drop_columns(["schema_valid"])
    total = judge.total(judge.counts(judged).to_pylist())
    assert JudgedData(judged, total, judge)._set_aside([bad], folder, "here") == bad.num_rows
    return [record.value for record in Quarantine(folder).records()]


def test_a_row_that_spark_could_not_read_is_a_violation_however_well_its_nulls_fit(
    registry: Registry, tmp_path: Path
) -> None:
    # As PERMISSIVE has it: one line is right, one is no JSON, one has a word for a number.
    corrupt = [None, "{broken", '{"n": "x"}', None]
    table = pa.table({"n": [1, None, None, None], "s": list("abcd"), "_corrupt_record": corrupt})
    judge = pickle.loads(pickle.dumps(Judge("row", registry=registry)))
    judged = judge.annotate(table)
    assert judged.schema.names == [*table.schema.names, "schema_valid", "schema_errors"]
    assert reasons(judged) == [None, "corrupt", "corrupt", "type"]
    assert quarantined(judge, judged, tmp_path) == [
        "{broken",
        '{"n": "x"}',
        {"n": None, "s": "d"},
    ]
    released = Quarantine(tmp_path).release(compile_validator({}, subject="row"), lambda _: None)
    assert (released.released, released.kept) == (1, 2), "no schema makes a row of the others"


def test_the_column_of_what_could_not_be_read_has_any_name_or_none(registry: Registry) -> None:
    table = pa.table({"n": [1, 2], "bad": [None, "x"]})
    assert reasons(Judge("row", registry=registry, corrupt_record="bad").annotate(table)) == [
        None,
        "corrupt",
    ]
    unaware = Judge("row", registry=registry, corrupt_record=None)
    assert reasons(unaware.annotate(table)) == [None, "additionalProperties"]


LINES = [
    '{"n": 1}',
    '{"n": "x"}',
    "{broken",
    "[1]",
    "\ufeff{broken",
    None,
    '{"n": 2, "s": "\\ud800"}',
    '{"n": 3}',
]
FOUND = [None, "type", "json", "json", "json", "json", "json", None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_a_bad_line_costs_its_row_and_not_the_job(
    kind: Any, registry: Registry, tmp_path: Path
) -> None:
    judge = pickle.loads(pickle.dumps(Judge("row", registry=registry, lines="value")))
    table = pa.table({"value": pa.array(LINES, kind), "path": ["p"] * len(LINES)})
    judged = judge.annotate(table)
    assert reasons(judged) == FOUND
    found = quarantined(judge, judged, tmp_path)
    assert found == [{"n": "x"}, *LINES[2:7]]
    batch = judge.annotate(table.to_batches()[0])
    assert batch["schema_valid"].to_pylist() == judged["schema_valid"].to_pylist()


def test_blank_lines_are_no_rows_and_the_mark_of_a_file_is_no_part_of_its_first(
    registry: Registry, tmp_path: Path
) -> None:
    judge = Judge("row", registry=registry, lines="value")
    lines = ['\ufeff{"n": 1}\r', "", " \t\r", "\ufeff", '{"n": "x"}\r', '\ufeff{"n": "y"}', "\v"]
    judged = judge.annotate(pa.table({"value": lines, "line": range(7)}))
    assert judged["line"].to_pylist() == [0, 4, 5, 6]
    assert reasons(judged) == [None, "type", "type", "json"]
    assert quarantined(judge, judged, tmp_path) == [{"n": "x"}, {"n": "y"}, "\v"]


def test_in_lines_null_is_null_as_in_json(registry: Registry) -> None:
    registry.register("strict", {"properties": {"s": {"type": "string"}}})
    judge = Judge("strict", registry=registry, lines="text")
    assert reasons(judge.annotate(pa.table({"text": ['{"s": null}', "{}"]}))) == ["type", None]
    assert judge.total([]).nulls == "strict"


def test_lines_that_are_not_there_or_no_text_are_refused(registry: Registry) -> None:
    judge = Judge("row", registry=registry, lines="value")
    with pytest.raises(ConfigurationError, match=r"'value'.*'text'"):
        judge.annotate(pa.table({"text": ["{}"]}))
    with pytest.raises(ConfigurationError, match="not text"):
        judge.annotate(pa.table({"value": [1]}))
    with pytest.raises(ConfigurationError, match=r"'value'.*'text'"):
        judge.keys(None, None, lambda: ["text"])
    with pytest.raises(ConfigurationError, match="json_columns"):
        Judge("row", registry=registry, lines="value", json_columns=["a"])


def test_the_read_schema_gives_each_property_the_one_type_that_holds_it(registry: Registry) -> None:
    body = {
        "$defs": {"role": {"type": "string", "enum": ["user", "tool"]}},
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "score": {"type": ["number", "null"]},
            "ok": {"type": "boolean"},
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "role": {"$ref": "#/$defs/role"},
                        "content": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                        "arguments": {
                            "type": "object",
                            "additionalProperties": {"type": "integer"},
                        },
                    },
                },
            },
            "either": {"type": ["string", "object"]},
            "self": {"$ref": "#"},
        },
    }
    registry.register("chat", body)
    call = pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("arguments", pa.map_(pa.string(), pa.int64())),
        ]
    )
    assert arrow_schema("chat@1", registry=registry) == pa.schema(
        [
            ("id", pa.int64()),
            ("score", pa.float64()),
            ("ok", pa.bool_()),
            ("messages", pa.list_(call)),
            ("either", pa.json_()),
            ("self", pa.json_()),
        ]
    )


def test_what_is_read_with_the_read_schema_gets_the_verdict_of_its_lines(
    registry: Registry, tmp_path: Path
) -> None:
    from pyarrow import json as reader

    path = tmp_path / "rows.jsonl"
    lines = [{"n": 1}, {"s": "a"}, {"n": 2, "s": None}]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    options = reader.ParseOptions(explicit_schema=arrow_schema("row", registry=registry))
    table = reader.read_json(path, parse_options=options)
    assert reasons(Judge("row", registry=registry).annotate(table)) == [None, "type", None]


def test_rows_without_declared_columns_have_no_read_schema(registry: Registry) -> None:
    for name, body in (("any", {}), ("list", {"type": "array"}), ("none", False)):
        registry.register(name, body)
        with pytest.raises(ConfigurationError, match="columns"):
            arrow_schema(name, registry=registry)
