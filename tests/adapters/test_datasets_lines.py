"""JSONL files as Datasets: whatever valid lines hold, their rows come back as they were."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from datasets import Json, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import connect
from llm_integrations.datasets import validate_dataset
from llm_integrations.datasets.run.line_dataset import open_lines

BLOCK = "llm_integrations.core.tables.line_types._BYTES"
texts = st.text(max_size=3) | st.just("2024-01-01")
# The decoder of ``Json()`` columns gets the last bit of other floats wrong.
eighths = st.integers(-(2**20), 2**20).map(lambda n: n / 8)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | eighths | texts
values = st.recursive(
    scalars,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("xyz"), v, max_size=2),
    max_leaves=5,
)
rows = st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=12)


def same(wrote: Any, read: Any) -> bool:
    """Columns have a place for every field: what is missing in a row is null there."""
    if isinstance(wrote, dict):
        return (
            isinstance(read, dict)
            and wrote.keys() <= read.keys()
            and all(same(wrote.get(name), value) for name, value in read.items())
        )
    if isinstance(wrote, list):
        return len(wrote) == len(read) and all(map(same, wrote, read))
    return bool(wrote == read) and isinstance(wrote, bool) == isinstance(read, bool)


@settings(max_examples=200)
@given(rows, st.sampled_from([1, 40, 1 << 20]))
def test_rows_of_any_shape_come_back(rows: list[dict[str, Any]], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with patch(BLOCK, size):
            read = open_lines([path], Path(folder) / "rows.arrow")
        if any(rows):
            assert all(map(same, rows, read.to_list()))
            assert len(read) == len(rows)


def opened(folder: Path, *lines: str) -> Any:
    (folder / "rows.jsonl").write_text("\n".join([*lines, ""]))
    with patch(BLOCK, 64):
        return open_lines([folder / "rows.jsonl"], folder / "rows.arrow")


def test_a_column_is_of_the_type_that_all_lines_agree_on(tmp_path: Path) -> None:
    first = ['{"n": 1, "day": "2024-01-01", "mixed": 1, "deep": {"a": 1}}'] * 20
    last = '{"n": 1.5, "day": "2024-01-02", "mixed": "x", "deep": {"b": [1]}, "late": true}'
    read = opened(tmp_path, *first, last)
    assert read.features == {
        "n": Value("float64"),
        "day": Value("string"),
        "mixed": Json(),
        "deep": {"a": Value("int64"), "b": List(Value("int64"))},
        "late": Value("bool"),
    }
    assert read[20] == {
        "n": 1.5,
        "day": "2024-01-02",
        "mixed": "x",
        "deep": {"a": None, "b": [1]},
        "late": True,
    }
    assert [row["mixed"] for row in read.select(range(3))] == [1, 1, 1]


@pytest.mark.parametrize(
    "row",
    [
        {"days": ["2024-01-01"]},
        {"at": {"day": "2024-01-01"}},
        {"none": [None, None]},
        {"deep": [{"none": [None, None], "empty": []}]},
        {"empty": {}},
        {"nothing": None},
    ],
)
def test_what_arrow_would_take_for_something_else_comes_back(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    assert opened(tmp_path, *[json.dumps(row)] * 3).to_list() == [row] * 3


def test_of_a_name_that_comes_twice_the_last_value_counts_as_when_it_was_judged(
    tmp_path: Path,
) -> None:
    assert opened(tmp_path, '{"a": 1, "a": 2}').to_list() == [{"a": 2}]


def test_a_line_that_is_no_object_is_no_row(tmp_path: Path) -> None:
    half = '{"\\ud800": 1}'
    (tmp_path / "rows.jsonl").write_text(f'{{"n": 1}}\n[1]\nnull\n{half}\n{{"n": 2}}\n')
    with connect("memory://") as registry:
        registry.register("anything", {})
        arguments: Any = {"registry": registry, "quarantine": tmp_path / "bad"}
        result = validate_dataset(
            tmp_path / "rows.jsonl", "anything@1", output=tmp_path / "out", **arguments
        )
    assert result.valid.to_list() == [{"n": 1}, {"n": 2}]
    assert result.report.reasons == {"json at (root)": 3}
    assert [r.value for r in Quarantine(tmp_path / "bad").records()] == ["[1]", "null", half]
    [valid] = (tmp_path / "out").glob("*.jsonl")
    assert valid.read_text() == '{"n": 1}\n{"n": 2}\n'


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_rows_is_a_dataset_without_rows(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    with connect("memory://") as registry:
        registry.register("anything", {})
        result = validate_dataset(
            tmp_path / "rows.jsonl", "anything@1", registry=registry, output=tmp_path / "out"
        )
    assert (len(result.valid), result.report.total) == (0, 0)
