"""Drift of data sets, streams and files; on real data."""

from __future__ import annotations

import csv as standard_csv
import importlib
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, Json, Value
from pyarrow import csv, parquet

from demo.flights import flights
from demo.stage import schema_document
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import (
    check_features,
    detect_drift,
    save_baseline,
    schema_from_features,
    validate_dataset,
)

ROW = {"type": "object", "properties": {"n": {"type": "integer"}, "kind": {"enum": ["a", "b"]}}}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with connect(tmp_path / "schemas") as client:
        client.register("row", ROW)
        yield client


def table(shift: int = 0, rows: int = 3000) -> pa.Table:
    random = np.random.default_rng(shift)
    return pa.table(
        {"n": random.integers(0, 100, rows) + shift, "kind": random.choice(["a", "b"], rows)}
    )


def as_data(kind: str, rows: pa.Table, folder: Path) -> Any:
    path = folder / f"rows-{rows.column('n')[0]}.{kind}"
    match kind:
        case "dataset":
            return Dataset(rows)
        case "splits":
            return DatasetDict(
                {"train": Dataset(rows.slice(0, 1000)), "test": Dataset(rows.slice(1000))}
            )
        case "stream":
            return Dataset(rows).to_iterable_dataset()
        case "parquet":
            parquet.write_table(rows, path)
        case "csv":
            csv.write_csv(rows, path)
        case _:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    return path


@pytest.mark.parametrize("kind", ["dataset", "splits", "stream", "parquet", "csv", "jsonl"])
def test_every_kind_of_data_is_compared_with_the_baseline_beside_the_schema(
    registry: Registry, tmp_path: Path, kind: str
) -> None:
    profile = save_baseline(as_data(kind, table(), tmp_path), "row@1", registry=registry)
    assert profile.rows == 3000
    same = detect_drift(as_data(kind, table(), tmp_path), "row@1", registry=registry)
    assert (same.drifted, same.current.rows) == (False, 3000)
    moved = detect_drift(as_data(kind, table(60), tmp_path), "row@1", registry=registry)
    assert moved.drifted_columns == ("n",)


BAD_LINES = [
    '{"n": "word", "kind": "a"}',
    '{"n": 1.5, "kind": "b"}',
    "no json",
    '["a list"]',
    '{"n": null, "kind": "a"}',
]


def test_a_bad_line_is_one_invalid_row_of_the_profile(registry: Registry, tmp_path: Path) -> None:
    good = table(rows=1000).to_pylist()
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*map(json.dumps, good), *BAD_LINES, ""]))
    profile = save_baseline(path, "row@1", registry=registry)
    assert (profile.rows, profile.invalid) == (1005, 5)
    assert profile.reasons == {"type at /n": 3, "json at (root)": 2}
    assert {name: column.kind for name, column in profile.columns.items()} == {
        "n": "double",
        "kind": "string",
    }
    # The word, and the three lines without a number.
    assert profile.columns["n"].nulls == 4


def test_a_bad_cell_is_one_invalid_row_of_the_profile(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("n,kind\n" + "1,a\n" * 98 + "word,b\n2\n")
    profile = save_baseline(path, "row@1", registry=registry)
    assert (profile.rows, profile.invalid) == (100, 2)
    assert profile.reasons == {"type at /n": 1, "csv at (root)": 1}
    assert (profile.columns["n"].kind, profile.columns["n"].nulls) == ("int64", 2)


def test_dates_of_json_lines_are_judged_as_the_text_that_they_are(
    registry: Registry, tmp_path: Path
) -> None:
    day = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    registry.register("day", {"properties": {"day": day, "late": {"type": "integer"}}})
    lines = [f'{{"day": "2024-01-{n % 28 + 1:02}"}}' for n in range(60_000)]
    path = tmp_path / "days.jsonl"
    path.write_text("\n".join([*lines, '{"day": "2024-02-01", "late": 7}', ""]))
    profile = save_baseline(path, "day@1", registry=registry)
    assert (profile.rows, profile.invalid) == (60_001, 0)
    assert profile.columns["day"].family == "text"
    assert profile.columns["late"].nulls == 60_000


@pytest.mark.parametrize("fractions_first", [True, False])
def test_values_of_json_lines_count_whatever_came_before_them(
    registry: Registry, tmp_path: Path, fractions_first: bool
) -> None:
    halves = ['{"p": 0, "l": [null, 1]}\n' * 50_000, '{"p": 0.5, "l": [2]}\n' * 50_000]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(halves[::-1] if fractions_first else halves))
    column = save_baseline(path, "row@1", registry=registry).columns["p"]
    assert (column.kind, column.nulls) == ("double", 0)
    assert column.numbers is not None
    assert column.numbers.mean == pytest.approx(0.25)


@pytest.mark.parametrize("lines", ['{"n": 1e300}\n{"n": 1}\n', '{"\\ud800": 1}\n{"n": 1}\n'])
def test_no_line_ends_a_check(registry: Registry, tmp_path: Path, lines: str) -> None:
    (tmp_path / "rows.jsonl").write_text(lines)
    assert save_baseline(tmp_path / "rows.jsonl", "row@1", registry=registry).rows == 2


def test_a_baseline_can_be_data_a_profile_or_a_file(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "profiles" / "row.json"
    profile = save_baseline(Dataset(table()), "row@1", registry=registry, path=path)
    for baseline in (profile, path, str(path), Dataset(table())):
        found = detect_drift(Dataset(table(60)), "row@1", registry=registry, baseline=baseline)
        assert found.drifted
    with pytest.raises(ConfigurationError, match="save_baseline"):
        detect_drift(Dataset(table()), "row@1", registry=registry)
    with pytest.raises(ConfigurationError, match="list"):
        detect_drift([1], "row@1", registry=registry, baseline=path)


def test_json_columns_are_judged_as_what_they_say(registry: Registry) -> None:
    body = {"type": "object", "properties": {"meta": {"type": "object"}}}
    registry.register("with-json", body)
    features = Features({"meta": Json(), "n": Value("int64")})
    data = Dataset.from_dict({"meta": [{"a": 1}, {"b": "x"}] * 50, "n": range(100)}, features)
    profile = save_baseline(data, "with-json@1", registry=registry)
    assert profile.invalid == 0
    assert not detect_drift(data, "with-json@1", registry=registry).drifted


@pytest.fixture(scope="module")
def all_flights() -> pa.Table:
    return flights()


def months(rows: pa.Table, *wanted: int) -> Dataset:
    pc: Any = importlib.import_module("pyarrow.compute")  # makes its functions as it is imported
    return Dataset(rows.filter(pc.is_in(rows["month"], value_set=pa.array(wanted))))


def test_real_flights_of_summer_are_later_than_those_of_winter(
    tmp_path: Path, all_flights: pa.Table
) -> None:
    with connect(tmp_path / "schemas") as registry:
        registry.register("flight", schema_document("flight-1"))
        winter, summer = months(all_flights, 1), months(all_flights, 7)
        save_baseline(winter, "flight@1", registry=registry)
        report = detect_drift(summer, "flight@1", registry=registry)
        assert {"month", "dep_delay", "arr_delay"} <= set(report.drifted_columns)
        assert {"year", "origin", "carrier", "hour"}.isdisjoint(report.drifted_columns)
        halves = winter.train_test_split(test_size=0.5, seed=1)
        again = detect_drift(
            halves["test"], "flight@1", registry=registry, baseline=halves["train"]
        )
        assert not again.drifted, str(again)


def test_real_flights_add_up_and_null_is_a_missing_time(
    tmp_path: Path, all_flights: pa.Table
) -> None:
    with connect("memory://") as registry:
        registry.register("flight", schema_document("flight-1"))
        result = validate_dataset(
            Dataset(all_flights), "flight@1", registry=registry, quarantine=tmp_path / "bad"
        )
        report = result.report
        assert report.total == 336_776 == report.valid + report.invalid
        assert len(result.valid) == report.valid
        assert len(result.quarantined) == report.invalid
        # A flight that was cancelled or diverted has no time in the air.
        missing = all_flights.column("air_time").null_count
        assert report.reasons["type at /air_time"] == missing == 9_430


PENGUIN = {
    "type": "object",
    "properties": {
        "Species": {"type": "string", "pattern": "^(Adelie|Gentoo|Chinstrap)"},
        "Island": {"enum": ["Biscoe", "Dream", "Torgersen"]},
        "Clutch Completion": {"enum": ["Yes", "No"]},
        "Body Mass (g)": {"type": "number", "minimum": 2500, "maximum": 7000},
        "Sex": {"enum": ["MALE", "FEMALE"]},
        "Date Egg": {"type": "string", "format": "date"},
    },
    "required": ["Species", "Body Mass (g)", "Sex"],
}


@pytest.fixture(scope="module")
def penguins() -> Path:
    spec = find_spec("palmerpenguins")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data" / "penguins-raw.csv"


def test_real_penguins_are_judged_as_they_come(
    registry: Registry, penguins: Path, tmp_path: Path
) -> None:
    """The file writes NA for what was not measured: a word that is no mass and no sex."""
    registry.register("penguin", PENGUIN)
    result = validate_dataset(
        penguins, "penguin@1", registry=registry, quarantine=tmp_path / "bad", output=tmp_path / "v"
    )
    with penguins.open(encoding="utf-8", newline="") as stream:
        rows = list(standard_csv.DictReader(stream))
    bad = [row for row in rows if "NA" in (row["Sex"], row["Body Mass (g)"])]
    assert (result.report.total, result.report.invalid) == (len(rows), len(bad)) == (344, 11)
    assert result.report.reasons == {"enum at /Sex": 11, "type at /Body Mass (g)": 2}
    assert result.valid.features["Body Mass (g)"] == Value("float64")
    records = Quarantine(tmp_path / "bad").records()
    assert sorted(r.value["Individual ID"] for r in records) == sorted(
        row["Individual ID"] for row in bad
    )


def test_real_penguins_of_one_island_are_no_sample_of_all(
    registry: Registry, penguins: Path, tmp_path: Path
) -> None:
    registry.register("penguin", PENGUIN)
    rows = csv.read_csv(
        penguins, convert_options=csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    )
    dataset = Dataset(rows)
    assert check_features(dataset, schema_from_features(dataset.features))
    save_baseline(dataset, "penguin@1", registry=registry)
    biscoe = dataset.filter(lambda row: row["Island"] == "Biscoe")
    report = detect_drift(biscoe, "penguin@1", registry=registry, ignore=["Sample Number"])
    assert {"Island", "Body Mass (g)", "Flipper Length (mm)"} <= set(report.drifted_columns)
    assert "Sex" not in report.drifted_columns
    assert '"Dream"' in next(c for c in report.columns if c.name == "Island").gone
