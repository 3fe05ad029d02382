"""validate_dataset on Parquet, CSV and JSONL files, beside reading them by hand."""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from benchmarks.bench_datasets import SCHEMA, table
from benchmarks.harness import Row, Section
from llm_integrations.core.registry import connect
from llm_integrations.datasets import validate_dataset

ROWS = 1_000_000
BY_HAND = 200_000
REPEATS = 3
OPEN = {
    "type": "object",
    "properties": {
        name: {"anyOf": [body, {"const": "NA"}]} if name in ("score", "weight") else body
        for name, body in SCHEMA["properties"].items()
        if name not in ("active", "count")
    },
}


def run() -> list[Section]:
    section = Section(
        "Data files, end to end",
        "`validate_dataset` on files of 1,000,000 rows: 10 columns, 1 % bad rows, the valid rows "
        "written as Arrow, the invalid ones with their messages to a Parquet quarantine; best of "
        "three. The peers are what one would write by hand, and write nothing: Python's csv module "
        "or json, cells converted by the schema, jsonschema-rs on each row (200,000 rows); and "
        "Arrow's own reader of CSV, which judges nothing and stops at a cell that is no number.",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = table(ROWS)
        parquet.write_table(rows, folder / "rows.parquet")
        arrow_csv.write_csv(rows, folder / "rows.csv")
        arrow_csv.write_csv(with_words(rows), folder / "words.csv")
        with (folder / "rows.jsonl").open("w") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows.to_pylist())
        section.add(_row("Parquet", _ours(folder / "rows.parquet", SCHEMA)))
        clean = _ours(folder / "rows.csv", SCHEMA)
        arrow = ROWS / _best(lambda: arrow_csv.read_csv(folder / "rows.csv"))
        by_hand = BY_HAND / _best(lambda: _csv_by_hand(folder / "rows.csv"))
        section.add(_row("CSV, beside the csv module", clean, by_hand))
        section.add(_row("CSV, beside Arrow's reader alone", clean, arrow))
        section.add(
            _row("CSV, 1 % of the numbers are words", _ours(folder / "words.csv", SCHEMA), by_hand)
        )
        section.add(
            _row(
                "CSV, two columns of numbers or NA, two that the schema leaves out",
                _ours(folder / "words.csv", OPEN),
                by_hand,
            )
        )
        lines = BY_HAND / _best(lambda: _lines_by_hand(folder / "rows.jsonl"))
        section.add(_row("JSON lines", _ours(folder / "rows.jsonl", SCHEMA), lines))
    return [section]


def with_words(rows: pa.Table) -> pa.Table:
    """NA for every hundredth score and weight, as other programs write a missing number."""
    random = np.random.default_rng(7)
    for name in ("score", "weight"):
        texts = rows.column(name).cast(pa.string()).to_numpy(zero_copy_only=False)
        texts[random.random(len(texts)) < 0.01] = "NA"
        index = rows.schema.get_field_index(name)
        rows = rows.set_column(index, name, pa.array(texts, pa.string()))
    return rows


def _ours(path: Path, schema: dict[str, Any]) -> float:
    def once() -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            result = validate_dataset(
                path,
                "row@1",
                registry=registry,
                quarantine=Path(folder) / "bad",
                output=Path(folder) / "valid",
                progress=False,
            )
            assert result.report.total == ROWS == len(result.valid) + result.report.invalid

    with connect("memory://") as registry:
        registry.register("row", schema)
        return ROWS / _best(once)


def _best(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _csv_by_hand(path: Path) -> int:
    numbers = {"id": int, "age": int, "count": int, "score": float, "weight": float}
    validator = jsonschema_rs.validator_for(SCHEMA)
    valid = 0
    with path.open(newline="") as stream:
        for _, row in zip(range(BY_HAND), csv.DictReader(stream), strict=False):
            record: dict[str, Any] = {**row, "active": row["active"] == "true"}
            for name, kind in numbers.items():
                record[name] = kind(row[name])
            valid += validator.is_valid(record)
    return valid


def _lines_by_hand(path: Path) -> int:
    validator = jsonschema_rs.validator_for(SCHEMA)
    with path.open("rb") as stream:
        lines = (line for _, line in zip(range(BY_HAND), stream, strict=False))
        return sum(validator.is_valid(json.loads(line)) for line in lines)


def _row(what: str, ours: float, peer: float | None = None) -> Row:
    ours_text = f"{ours / 1e6:.2f}M rows/s"
    if peer is None:
        return Row(what, ours_text)
    return Row(what, ours_text, f"{peer / 1e6:.2f}M rows/s", f"{ours / peer:.2f}×")
