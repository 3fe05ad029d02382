"""validate_dataset on files: a bad line costs its row and no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Value

from llm_integrations.core.errors import (
    ConfigurationError,
    LLMIntegrationsError,
    SchemaValidationError,
)
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry
from llm_integrations.core.validation import compile_validator
from llm_integrations.datasets import validate_dataset
from tests.support.training_rows import (
    BAD,
    NUMBERS,
    SIZE,
    lines_with_blanks,
    registry,
    small_blocks,
    table,
)

__all__ = ["registry", "small_blocks"]


def test_null_is_missing_in_tables_and_null_in_json_lines(
    registry: Registry, tmp_path: Path
) -> None:
    dataset = Dataset.from_dict({"n": [1], "text": [None]})
    report = validate_dataset(dataset, "row@1", registry=registry).report
    assert (report.invalid, report.nulls) == (0, "absent")
    (tmp_path / "rows.jsonl").write_text('{"n": 1, "text": null}\n{"n": 1}\n')
    report = validate_dataset(tmp_path / "rows.jsonl", "row@1", registry=registry).report
    assert (report.total, report.invalid, report.nulls) == (2, 1, "strict")


def test_lines_that_are_no_json_are_set_aside_too(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"n": 1}\n\n{"n": 1\n\xff\n[' + b"[" * 5000 + b"\n")
    result = validate_dataset(
        tmp_path / "rows.jsonl", "row@1", registry=registry, quarantine=tmp_path / "bad"
    )
    assert (result.report.total, result.report.valid) == (4, 1)
    assert Quarantine(tmp_path / "bad").count() == 3


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_file_that_was_written_anew_is_other_data(
    registry: Registry, tmp_path: Path, suffix: str
) -> None:
    path, bad = tmp_path / f"rows.{suffix}", tmp_path / "bad"
    for number in ("-1", "-22"):
        path.write_text(f'{{"n": {number}}}\n' if suffix == "jsonl" else f"n\n{number}\n")
        result = validate_dataset(path, "row@1", registry=registry, quarantine=bad)
        assert len(result.quarantined) == 1
    assert {record.value["n"] for record in Quarantine(bad).records()} == {-1, -22}


@pytest.mark.parametrize("name", ["missing.parquet", "missing.jsonl", "rows.xlsx"])
def test_files_that_cannot_be_used_are_named(registry: Registry, tmp_path: Path, name: str) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=name):
        validate_dataset(tmp_path / name, "row@1", registry=registry)


def test_a_damaged_file_is_named(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ConfigurationError, match=r"rows\.parquet"):
        validate_dataset(tmp_path / "rows.parquet", "row@1", registry=registry)


def csv_with_bad_cells(path: Path) -> Path:
    """The rows of ``table``, and every hundredth one a word or a cell too few instead."""
    lines = [f"{number},t{index}" for index, number in enumerate(NUMBERS)]
    lines[::200] = ["word,late"] * 5
    lines[100::200] = ["7"] * 5
    path.write_text("\n".join(["n,text", *lines, ""]))
    return path


def test_a_bad_cell_of_a_csv_file_costs_its_row_and_no_other(
    registry: Registry, tmp_path: Path
) -> None:
    path = csv_with_bad_cells(tmp_path / "rows.csv")
    result = validate_dataset(path, "row@1", registry=registry, quarantine=tmp_path / "bad")
    assert (result.report.total, result.report.invalid) == (SIZE, len(BAD))
    assert result.report.reasons == {
        "minimum at /n": len(BAD) - 10,
        "type at /n": 5,
        "csv at (root)": 5,
    }
    assert result.valid["n"] == [number for number in NUMBERS if number >= 0]
    assert result.valid.features == {"n": Value("int64"), "text": Value("string")}
    records = {int(r.position or 0): r.value for r in Quarantine(tmp_path / "bad").records()}
    assert sorted(records) == BAD
    assert records[200] == {"n": "word", "text": "late"}
    assert records[300] == "7"


@pytest.mark.parametrize("make", [csv_with_bad_cells, lines_with_blanks])
def test_a_run_over_a_file_that_was_cut_off_goes_on(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    from llm_integrations.datasets.run.blocks import BlockJudge
    from llm_integrations.datasets.run.lines import LineJudge

    path = make(tmp_path / ("rows.csv" if make is csv_with_bad_cells else "rows.jsonl"))
    judge: Any = BlockJudge if make is csv_with_bad_cells else LineJudge
    original, seen = judge.examine, []

    def cut_off(self: Any, block: Any, first: int) -> Any:
        seen.append(first)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return original(self, block, first)

    monkeypatch.setattr(judge, "examine", cut_off)
    arguments: Any = {"registry": registry, "quarantine": tmp_path / "bad"}
    with pytest.raises(KeyboardInterrupt):
        validate_dataset(path, "row@1", **arguments)
    result = validate_dataset(path, "row@1", **arguments)
    assert seen[:6] == [0, 128, 256, 384, 512, 512]
    assert (result.report.total, result.report.invalid) == (SIZE, len(BAD))
    assert result.valid["n"] == [number for number in NUMBERS if number >= 0]
    records = list(Quarantine(tmp_path / "bad").records())
    assert len(records) == len(BAD)
    if judge is BlockJudge:
        assert sorted(int(r.position or 0) for r in records) == BAD


def test_what_was_no_row_is_never_released(registry: Registry, tmp_path: Path) -> None:
    csv_with_bad_cells(tmp_path / "rows.csv")
    (tmp_path / "rows.jsonl").write_text('{"n": -1}\nno json\n')
    for name in ("rows.csv", "rows.jsonl"):
        validate_dataset(
            tmp_path / name, "row@1", registry=registry, quarantine=tmp_path / name[5:]
        )
    anything = compile_validator(True, subject="row")
    freed: list[Any] = []
    assert Quarantine(tmp_path / "csv").release(anything, freed.extend).kept == 5
    assert Quarantine(tmp_path / "jsonl").release(anything, freed.extend).kept == 1
    assert all(isinstance(record.value, dict) for record in freed)
    assert len(freed) == len(BAD) - 5 + 1


@pytest.mark.parametrize("kind", ["jsonl", "dataset"])
def test_several_processes_find_what_one_finds(
    registry: Registry, tmp_path: Path, kind: str
) -> None:
    data: Any = lines_with_blanks(tmp_path / "rows.jsonl")
    if kind == "dataset":
        table_of_rows().save_to_disk(str(tmp_path / "rows"))
        data = Dataset.load_from_disk(str(tmp_path / "rows"))
    found = {}
    for processes in (1, 3):
        result = validate_dataset(
            data,
            "row@1",
            registry=registry,
            quarantine=tmp_path / f"bad{processes}",
            num_proc=processes,
        )
        records = list(Quarantine(tmp_path / f"bad{processes}").records())
        found[processes] = (
            result.report.to_dict(),
            result.valid.to_list(),
            [record.record_id for record in records],
        )
    assert found[1] == found[3]
    assert found[3][0]["invalid"] == len(BAD) == len(found[3][2])


def table_of_rows() -> Dataset:
    return Dataset(table())


def test_a_run_of_several_processes_that_was_cut_off_goes_on(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_integrations.datasets.run.lines import LineJudge

    original = LineJudge.examine

    def killed(self: Any, block: Any, first: int) -> Any:
        if first == 512:
            os._exit(9)
        return original(self, block, first)

    path = lines_with_blanks(tmp_path / "rows.jsonl")
    arguments: Any = {"registry": registry, "quarantine": tmp_path / "bad", "num_proc": 2}
    with monkeypatch.context() as patched:
        patched.setattr(LineJudge, "examine", killed)
        with pytest.raises(LLMIntegrationsError, match="call again"):
            validate_dataset(path, "row@1", **arguments)
    result = validate_dataset(path, "row@1", **arguments)
    assert (result.report.total, result.report.invalid) == (SIZE, len(BAD))
    assert Quarantine(tmp_path / "bad").count() == len(BAD)
    assert result.valid["n"] == [number for number in NUMBERS if number >= 0]


def test_several_processes_stop_at_the_first_bad_line_in_the_file(
    registry: Registry, tmp_path: Path
) -> None:
    path = lines_with_blanks(tmp_path / "rows.jsonl")
    with pytest.raises(SchemaValidationError, match=r"line 2: .*minimum"):
        validate_dataset(path, "row@1", registry=registry, on_invalid="raise", num_proc=2)


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2"])
def test_a_number_of_processes_is_checked(registry: Registry, tmp_path: Path, number: Any) -> None:
    with pytest.raises(ConfigurationError, match="num_proc"):
        validate_dataset(tmp_path / "x.jsonl", "row@1", registry=registry, num_proc=number)
