"""``drift``, ``quarantine`` and ``check`` on tables: what scripts and weekly jobs rely on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from typer.testing import CliRunner, Result

from llm_integrations.core.cli.app import app
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import connect, resolve_registry

ROW = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 0},
        "plan": {"enum": ["free", "pro", "gold"]},
    },
    "required": ["n"],
}


@pytest.fixture(autouse=True)
def schemas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLM_INTEGRATIONS_REGISTRY_URL", str(tmp_path / "schemas"))
    monkeypatch.setenv("COLUMNS", "200")
    with connect(tmp_path / "schemas") as registry:
        registry.register("row", ROW)


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows(path: Path, shift: int = 0, plans: tuple[str, ...] = ("free", "pro")) -> Path:
    numbers = np.random.default_rng(1).integers(0, 100, 2000) + shift
    table = pa.table({"n": numbers, "plan": [plans[i % len(plans)] for i in range(2000)]})
    write = csv.write_csv if path.suffix == ".csv" else parquet.write_table
    write(table, path)
    return path


def test_a_weekly_job_exits_with_1_when_the_data_drifted(tmp_path: Path) -> None:
    first = rows(tmp_path / "first.parquet")
    saved = call("drift", first, "row@latest", "--save")
    assert (saved.exit_code, "2,000 rows" in saved.output) == (0, True)
    assert (tmp_path / "schemas" / ".profiles" / "row@1.json").is_file()
    assert call("drift", first, "row@latest").exit_code == 0
    later = rows(tmp_path / "later.csv", shift=50)
    found = call("drift", later, "row@latest", "--report", tmp_path / "out")
    assert found.exit_code == 1
    assert "Wasserstein" in found.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "drift.html",
        "drift.json",
        "drift.md",
    }
    assert call("drift", later, "row@latest", "--ignore", "n").exit_code == 0
    assert call("drift", later, "row@latest", "--number", "10").exit_code == 0


def test_drift_prints_json_for_other_programs(tmp_path: Path) -> None:
    first = rows(tmp_path / "first.parquet")
    later = rows(tmp_path / "later.parquet", plans=("free", "gold"))
    found = call("drift", later, "row@1", "--baseline", first, "--json")
    assert found.exit_code == 1
    report = json.loads(found.output)
    assert report["drifted"] is True
    assert report["columns"]["plan"]["new_categories"] == ['"gold"']


def test_without_a_baseline_drift_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--save"):
        call("drift", rows(tmp_path / "rows.parquet"), "row@1")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_check_takes_tables_and_names_the_row(tmp_path: Path, name: str) -> None:
    path = rows(tmp_path / name, shift=-1)
    result = call("check", "row@1", path, "--show", "1")
    assert result.exit_code == 1
    numbers = np.random.default_rng(1).integers(0, 100, 2000) - 1
    bad = np.flatnonzero(numbers < 0)
    assert f"{2000 - len(bad)} valid, {len(bad)} invalid, 0 unreadable of 2000" in result.output
    assert f"{name}: row {bad[0]}" in result.output
    assert f"{name}: row {bad[1]}" not in result.output
    assert call("check", "row@1", rows(tmp_path / f"good-{name}")).exit_code == 0


def test_check_counts_each_row_of_a_csv_file_that_is_not_as_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("n,plan\n1,free\nsesame,pro\n2\n3,gold\n")
    result = call("check", "row@1", path)
    assert result.exit_code == 1
    assert "2 valid, 1 invalid, 1 unreadable of 4" in result.output
    assert f"{path}: row 1\n  /n: is a string, not an integer\n" in result.output
    assert f"{path}: row 2\n  (root): the row has 1 cells, the header 2\n" in result.output
    assert "sesame" not in result.output


def test_check_takes_null_in_a_table_as_missing(tmp_path: Path) -> None:
    parquet.write_table(
        pa.table({"n": [1], "plan": pa.array([None], "string")}), tmp_path / "r.parquet"
    )
    assert call("check", "row@1", tmp_path / "r.parquet").exit_code == 0


@pytest.fixture
def quarantine(tmp_path: Path) -> Path:
    with connect(tmp_path / "schemas") as registry:
        validator = registry.validator("row@1")
        bad = [{"n": -1, "secret": "s3cret"}, {"n": -2}, {}]
        Quarantine(tmp_path / "bad").add(
            QuarantinedRecord.of(row, validator.validate(row), source="train", position=i)
            for i, row in enumerate(bad)
        )
    return tmp_path / "bad"


def test_quarantine_show_counts_reasons_and_hides_values(quarantine: Path) -> None:
    output = call("quarantine", "show", quarantine).output
    assert "3 records" in output
    assert "minimum at /n" in output
    assert "row@1" in output
    assert "s3cret" not in output
    assert "s3cret" in call("quarantine", "show", quarantine, "--values").output
    summary = json.loads(call("quarantine", "show", quarantine, "--json").output)
    assert summary["records"] == 3
    assert summary["reasons"] == {"minimum at /n": 2, "required at (root)": 1}


@pytest.mark.parametrize(("reason", "positions"), [("required at (root)", [2]), ("else", [])])
def test_quarantine_show_can_keep_to_one_reason(
    quarantine: Path, reason: str, positions: list[int]
) -> None:
    summary = json.loads(
        call("quarantine", "show", quarantine, "--json", "--reason", reason).output
    )
    assert summary["reasons"] == dict.fromkeys([reason] * len(positions), 1)
    assert [one["position"] for one in summary["examples"]] == positions


def test_quarantine_release_hands_over_what_became_valid(quarantine: Path, tmp_path: Path) -> None:
    relaxed = {**ROW, "properties": {"n": {"type": "integer"}}}
    with connect(tmp_path / "schemas") as registry:
        registry.register("row", relaxed, compatibility="NONE")
    into = tmp_path / "released.jsonl"
    for released in (2, 0):
        output = call("quarantine", "release", quarantine, "row@2", "--into", into).output
        assert f"{released} released" in output
        assert "1 kept" in output
    assert [json.loads(line)["n"] for line in into.read_text().splitlines()] == [-1, -2]
    assert into.stat().st_mode & 0o777 == 0o600
    assert Quarantine(quarantine).count() == 1


def test_quarantine_release_judges_by_what_another_client_has_registered(
    quarantine: Path, tmp_path: Path
) -> None:
    with resolve_registry() as shared:
        assert not shared.validator("row").is_valid({"n": -1})
        with connect(tmp_path / "schemas") as other:
            other.register("row", {"type": "object"}, compatibility="NONE")
        into = tmp_path / "released.jsonl"
        output = call("quarantine", "release", quarantine, "row@latest", "--into", into).output
    assert "3 released" in output
    assert "0 kept" in output


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        call("quarantine", "show", tmp_path / "nowhere")
