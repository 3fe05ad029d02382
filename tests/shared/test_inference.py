"""An inferred schema accepts the data that it came from, and reads as people write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from llm_integrations.core.arrow import compile_arrow
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.inference import infer_files, infer_rows, infer_tables
from llm_integrations.core.inference.schema import Style
from llm_integrations.core.tables import read_tables
from llm_integrations.core.validation import compile_validator
from tests.support.arrow_fuzz import random_case

texts = st.sampled_from(
    [
        *("", "a", "user", "2024-02-29", "2024-02-30", "2024-01-01T00:00:00Z", "a@b.co", "x://y"),
        *("note: this", "1.2.3.4", "999.2.3.4", "123e4567-e89b-12d3-a456-426614174000", "é"),
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
names = st.sampled_from(["a", "b", "c", "$ref", "type", "", "~/"]) | st.text(max_size=2)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
styles = st.builds(Style, st.booleans(), st.integers(0, 4))


@settings(max_examples=60)
@given(st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=6), styles)
def test_rows_satisfy_what_was_inferred_of_them(rows: list[Any], style: Style) -> None:
    rows = [*rows, *rows * 20] if style.max_enum == 4 else rows
    validator = compile_validator(infer_rows(rows, style))
    for row in rows:
        validator.check(row)


@pytest.mark.parametrize("share", range(4))
def test_tables_satisfy_what_was_inferred_of_them(share: int) -> None:
    judged = 0
    for seed in range(share, 120, 4):
        table = random_case(seed).table
        if not table.num_rows or not table.num_columns:
            continue
        schema = infer_tables([table], Style(ranges=seed % 8 < 4))
        bad = [
            found
            for _, found in compile_arrow(schema).validate(table).violations()
            # No schema takes what is no JSON wherever it stands.
            if not any(_is_never_valid(violation.message) for violation in found)
        ]
        assert not bad, (seed, bad[:1], schema)
        judged += 1
    assert judged > 15


def _is_never_valid(message: str) -> bool:
    return any(word in message for word in ("NaN", "infin", "is not JSON text", "has no JSON form"))


CSV = """id,when,day,score,flag,code,empty,word,zoned
1,2024-01-01 10:00:00,2024-01-01,1.5,true,01,,a,2024-01-01 10:00:00Z
2,2024-01-02 10:00:00,2024-01-02,2,false,02,,b,2024-01-02 10:00:00Z
,,,,,,,,
"""


def test_cells_satisfy_what_was_inferred_of_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(CSV)
    schema = infer_files([path])
    kinds = {name: part.get("type") for name, part in schema["properties"].items()}
    assert kinds == {
        "id": "integer",
        "when": "string",
        "day": "string",
        "score": "number",
        "flag": "boolean",
        "code": "string",
        "empty": None,
        "word": "string",
        "zoned": "string",
    }
    assert schema["properties"]["day"]["format"] == "date"
    assert "required" not in schema
    validator = compile_validator(schema, options=ValidationOptions(nulls="absent"))
    plan = compile_arrow(schema)
    for table in read_tables(path, validator=validator):
        assert plan.mask(table).to_pylist() == [True] * 3


def test_it_reads_as_if_a_person_had_written_it() -> None:
    roles = ["user", "assistant"]
    rows = [
        {
            "id": number,
            "messages": [{"role": role, "content": f"text {number}"} for role in roles],
            "made": "2024-01-02T03:04:05Z",
            "score": number / 2 if number % 2 else None,
            "tags": [] if number else ["a"],
        }
        for number in range(30)
    ]
    rows[3]["note"] = "odd"
    assert infer_rows(rows, Style(ranges=True)) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": 0, "maximum": 29},
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "role": {"type": "string", "enum": ["assistant", "user"]},
                        "content": {"type": "string"},
                    },
                    "required": ["role", "content"],
                },
            },
            "made": {"type": "string", "format": "date-time"},
            "score": {"type": ["number", "null"], "minimum": 0.5, "maximum": 14.5},
            "tags": {"type": "array", "items": {"type": "string"}},
            "note": {"type": "string"},
        },
        "required": ["id", "messages", "made", "score", "tags"],
    }


@pytest.mark.parametrize("names_each", [1, 60])
def test_objects_whose_names_are_data_are_maps(names_each: int) -> None:
    rows = [
        {"meta": {f"user_{number}_{i}": number for i in range(names_each)}} for number in range(200)
    ]
    [meta] = infer_rows(rows)["properties"].values()
    assert meta == {"type": "object", "additionalProperties": {"type": "integer"}}


def test_few_words_that_hardly_repeat_are_no_enumeration() -> None:
    rows = [{"name": name} for name in ("Ada", "Zoe", "Eve")]
    assert infer_rows(rows)["properties"]["name"] == {"type": "string"}
    assert "enum" not in infer_rows(rows * 20, Style(max_enum=2))["properties"]["name"]
    nullable = infer_rows([*rows * 20, {"name": None}])["properties"]["name"]
    assert nullable == {"type": ["string", "null"], "enum": ["Ada", "Eve", "Zoe", None]}


def test_files_of_several_kinds_make_one_schema(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{cut\n{"a": 2.5, "b": null}\n')
    (tmp_path / "b.json").write_text('[{"a": 1, "b": "x"}]')
    parquet.write_table(pa.table({"a": [1, None], "c": [[1], None]}), tmp_path / "c.parquet")
    schema = infer_files([tmp_path / name for name in ("a.jsonl", "b.json", "c.parquet")])
    assert schema["properties"] == {
        "a": {"type": "number"},
        "b": {"type": ["string", "null"]},
        "c": {"type": "array", "items": {"type": "integer"}},
    }
    assert "required" not in schema


def test_where_there_is_no_row_or_no_file_there_is_no_schema(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    (tmp_path / "b.json").write_text("{cut")
    (tmp_path / "d.csv").write_text("a,a\n1,x\n")
    for name, why in (
        ("a.jsonl", "no row"),
        ("d.csv", "two columns of the name 'a'"),
        ("b.json", "neither JSON"),
        ("c.json", "cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            infer_files([tmp_path / name])


def test_data_nested_without_end_is_described_as_far_as_people_read() -> None:
    row: dict[str, Any] = {}
    for _ in range(150):
        row = {"below": row}
    schema = infer_rows([row])
    assert compile_validator(schema).is_valid(row)
    assert len(json.dumps(schema)) < 5_000


def test_rows_of_a_csv_file_that_are_none_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"n,s\n1,a\n2,\xe9\n3\n4,b\n")
    schema = infer_files([path])
    assert schema["required"] == ["n", "s"]
    assert schema["properties"]["n"] == {"type": "integer"}
