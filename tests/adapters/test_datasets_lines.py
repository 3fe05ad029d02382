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

from llm_integrations.core.errors import ConfigurationError
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


def same(line: Any, row: Any) -> bool:
    """Whether two values of JSON are equal; true is not 1."""
    if isinstance(line, dict):
        return (
            isinstance(row, dict)
            and line.keys() == row.keys()
            and all(same(line[name], row[name]) for name in line)
        )
    if isinstance(line, list):
        return len(line) == len(row) and all(map(same, line, row))
    return bool(line == row) and isinstance(line, bool) == isinstance(row, bool)


def same_row(line: dict[str, Any], row: dict[str, Any]) -> bool:
    """A table has a place for every column: one that a line lacks is null there."""
    return same({**dict.fromkeys(row), **line}, row)


@settings(max_examples=100)
@given(rows, st.sampled_from([1, 40, 1 << 20]))
def test_rows_of_any_shape_come_back(rows: list[dict[str, Any]], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with patch(BLOCK, size):
            read = open_lines([path], Path(folder) / "rows.arrow")
        if any(rows):
            assert all(map(same_row, rows, read.to_list()))
            assert len(read) == len(rows)


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=8))
def test_every_valid_row_equals_its_line(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name, connect("memory://") as registry:
        registry.register("anything", {"not": {"required": ["c"]}})
        (Path(name) / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        result = validate_dataset(
            Path(name) / "rows.jsonl",
            "anything@1",
            registry=registry,
            output=Path(name) / "out" if len(rows) % 2 else None,
            quarantine=Path(name) / "bad",
        )
        kept = [row for row in rows if "c" not in row]
        assert (result.report.valid, result.report.invalid) == (len(kept), len(rows) - len(kept))
        if any(kept):
            assert all(map(same_row, kept, result.valid.to_list()))


def test_objects_whose_keys_differ_stay_as_they_are_at_any_depth(tmp_path: Path) -> None:
    def tools(**properties: Any) -> dict[str, Any]:
        return {"tools": [{"name": "f", "parameters": {"properties": properties}}], "n": 1}

    rows = [tools(city={"type": "string"}), tools(x={"type": "number"}, y={"enum": [1, "a"]})]
    assert opened(tmp_path, *map(json.dumps, rows)).to_list() == rows
    messages = [
        {"messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": None}]},
        {"messages": [{"role": "assistant", "calls": [1]}, None]},
    ]
    read = opened(tmp_path, *map(json.dumps, messages))
    assert read.features == {"messages": List(Json())}
    assert read.to_list() == messages


def test_nulls_that_every_object_has_keep_their_columns(tmp_path: Path) -> None:
    rows = [{"m": [{"role": "user", "name": None}]}, {"m": [{"role": "user", "name": "x"}]}]
    read = opened(tmp_path, *map(json.dumps, rows))
    assert read.features == {"m": List({"role": Value("string"), "name": Value("string")})}
    assert read.to_list() == rows


def test_maps_with_keys_of_their_own_stay_small(tmp_path: Path) -> None:
    lines = [json.dumps({"meta": {f"user_{n}": n}}) for n in range(2000)]
    read = opened(tmp_path, *lines)
    assert (tmp_path / "rows.arrow").stat().st_size < 10 * sum(map(len, lines))
    assert [read[n] for n in (0, 999, 1999)] == [json.loads(lines[n]) for n in (0, 999, 1999)]
    nested = [json.dumps({"a": [{"b": {f"k{n}": {f"l{n}": [n]}}}]}) for n in range(2000)]
    assert opened(tmp_path, *nested)[1999] == json.loads(nested[1999])
    assert (tmp_path / "rows.arrow").stat().st_size < 10 * sum(map(len, nested))


def test_names_of_columns_that_are_data_are_refused_before_they_fill_the_disk(
    tmp_path: Path,
) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"user_{n}": {n}}}\n' for n in range(3000)))
    with pytest.raises(ConfigurationError, match="3,000 names"):
        open_lines([tmp_path / "rows.jsonl"], tmp_path / "rows.arrow")


def test_integers_of_more_than_64_bits_can_be_read(tmp_path: Path) -> None:
    read = opened(tmp_path, '{"n": 18446744073709551616, "x": "a"}', '{"n": [2e1, -1]}')
    assert read[0]["n"] == 2.0**64
    assert read[1]["n"] == [20.0, -1]


@pytest.mark.parametrize("before", ["", '{"a": 1, "b": 1.5}\n', '{"b": 1.5}\n' * 80])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_that_no_float_holds_is_the_text_of_its_digits(
    tmp_path: Path, before: str, sign: str
) -> None:
    digits = f"{sign}{'9' * 400}"
    (tmp_path / "rows.jsonl").write_text(f'{before}{{"b": {digits}}}\n{{"a": [{digits}]}}\n')
    read = open_lines([tmp_path / "rows.jsonl"], tmp_path / "rows.arrow")
    assert (list(read["b"])[-2], list(read["a"])[-1]) == (digits, [digits])


@pytest.mark.parametrize("times", [40, 70, 400])
@pytest.mark.parametrize("part", ['[{"k": %s}, {"k": 1}]', "[%s, null]", '{"k": %s}'])
def test_what_is_nested_deeper_than_types_can_be_comes_back(
    tmp_path: Path, times: int, part: str
) -> None:
    deepest = '"bottom"'
    for _ in range(times):
        deepest = part % deepest
    lines = ['{"a": 1}', f'{{"a": {deepest}}}']
    assert opened(tmp_path, *lines).to_list() == list(map(json.loads, lines))
    assert opened(tmp_path, lines[1]).to_list() == [json.loads(lines[1])]


def lines_of(path: Path, text: str) -> Any:
    path.write_text(text)
    with connect("memory://") as registry:
        registry.register("row", {"properties": {"n": {"type": "integer"}}})
        return validate_dataset(path, "row@1", registry=registry, quarantine=path.parent / "bad")


def test_valid_lines_are_neither_copied_nor_read_before_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    text = "".join(f'{{"n": {n}, "text": "{"x" * 100}"}}\n' for n in range(500)) + '{"n": "a"}'
    result = lines_of(tmp_path / "rows.jsonl", text)
    kept = [path for path in (tmp_path / "hf").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) < 1000
    assert not list((tmp_path / "hf").rglob("*.arrow"))
    assert result.valid["n"] == list(range(500))


def test_a_file_that_changed_since_it_was_judged_is_not_taken_for_what_was_judged(
    tmp_path: Path,
) -> None:
    result = lines_of(tmp_path / "rows.jsonl", '{"n": 1}\n{"n": 2}\n')
    (tmp_path / "rows.jsonl").write_text('{"n": "bad"}\n{"n": 2}\n')
    with pytest.raises(ConfigurationError, match="has changed since it was judged"):
        _ = result.valid


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
        "deep": Json(),
        "late": Value("bool"),
    }
    assert read[20] == {
        "n": 1.5,
        "day": "2024-01-02",
        "mixed": "x",
        "deep": {"b": [1]},
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


def test_lines_without_a_single_member_are_said_to_make_no_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    with connect("memory://") as registry:
        registry.register("anything", {})
        result = validate_dataset(
            tmp_path / "rows.jsonl", "anything@1", registry=registry, output=tmp_path / "out"
        )
        assert not caplog.records
        assert (result.report.valid, len(result.valid)) == (2, 0)
    [said] = caplog.records
    assert (said.levelname, "all valid lines are {}" in said.getMessage()) == ("WARNING", True)
    [kept] = (tmp_path / "out").glob("*.jsonl")
    assert kept.read_text() == "{}\n{}\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_lines_that_are_not_utf_8_are_set_aside_with_that_reason(
    tmp_path: Path, encoding: str
) -> None:
    text = "".join(json.dumps({"n": n, "text": "é"}, ensure_ascii=False) + "\n" for n in range(4))
    (tmp_path / "rows.jsonl").write_bytes(text.encode(encoding))
    with connect("memory://") as registry:
        registry.register("anything", {})
        result = validate_dataset(
            tmp_path / "rows.jsonl", "anything@1", registry=registry, quarantine=tmp_path / "bad"
        )
    assert (result.report.valid, list(result.report.reasons)) == (0, ["json at (root)"])
    first = next(Quarantine(tmp_path / "bad").records())
    assert "UTF-16 or UTF-32" in first.errors[0].message
    assert len(result.valid) == 0
