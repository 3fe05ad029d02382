"""validate_dataset end to end, and how its time and memory grow with the rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, Section

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "weight": {"type": "number", "exclusiveMinimum": 0},
        "active": {"type": "boolean"},
        "country": {"enum": ["DE", "FR", "IT", "ES", "PL"]},
        "name": {"type": "string", "minLength": 1, "maxLength": 64},
        "email": {"type": "string", "pattern": "^[a-z0-9.]+@[a-z]+\\.org$"},
        "label": {"type": ["string", "null"], "maxLength": 20},
        "count": {"type": "integer", "multipleOf": 5},
    },
    "required": ["id", "age", "country", "name"],
}
CHUNK = 500_000
SIZES = (10_000, 100_000, 1_000_000, 3_000_000)


def table(rows: int, first: int = 0) -> pa.Table:
    """Ten columns; one row in a hundred is invalid."""
    random = np.random.default_rng(first)
    ids = np.arange(first, first + rows)
    age = random.integers(0, 121, rows)
    age[random.random(rows) < 0.005] = 200
    countries = np.array(["DE", "FR", "IT", "ES", "PL", "XX"])
    chosen = np.where(random.random(rows) < 0.005, 5, random.integers(0, 5, rows))
    return pa.table(
        {
            "id": ids,
            "age": age,
            "score": random.random(rows),
            "weight": random.random(rows) + 0.1,
            "active": random.random(rows) < 0.5,
            "country": countries[chosen],
            "name": np.char.add("user ", ids.astype(str)),
            "email": np.char.add(np.char.add("user.", ids.astype(str)), "@example.org"),
            "label": np.where(random.random(rows) < 0.5, "spam", "ham"),
            "count": random.integers(0, 100, rows) * 5,
        }
    )


def write(path: Path, rows: int) -> None:
    """An Arrow file as `datasets` keeps them, made in pieces so that making it takes no memory."""
    schema = table(1).schema
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for first in range(0, rows, CHUNK):
            writer.write_table(table(min(CHUNK, rows - first), first), max_chunksize=10_000)


def validate(path: Path, folder: Path, repeats: int, copies: bool) -> dict[str, Any]:
    """In this process: seconds of each run, and how much the memory of our own grew (MB)."""
    import datasets
    from datasets import Dataset

    from llm_integrations.core.registry import connect
    from llm_integrations.datasets import validate_dataset

    datasets.config.HF_DATASETS_CACHE = folder / "cache"

    def once(data: Any, name: str) -> float:
        started = time.perf_counter()
        result = validate_dataset(
            data,
            "row@1",
            registry=registry,
            quarantine=folder / name / "bad",
            output=folder / name / "valid" if copies else None,
            progress=False,
        )
        took = time.perf_counter() - started
        assert result.report.total == len(data) == len(result.valid) + result.report.invalid
        return took

    with connect("memory://") as registry:
        registry.register("row", SCHEMA)
        folder.mkdir()
        small = folder / "small.arrow"
        write(small, 20_000)
        once(Dataset.from_file(str(small)), "warm")
        before, most = own_memory(), watch_memory()
        dataset = Dataset.from_file(str(path))
        seconds = [once(dataset, str(number)) for number in range(repeats)]
    return {"seconds": seconds, "grew": most() - before}


def own_memory() -> float:
    """MB of memory that is no mapped file: what pages of the data set the kernel keeps is free."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


def watch_memory() -> Callable[[], float]:
    """Looks at the memory every 20 ms from now on; call what it returns for the most there was."""
    most = [own_memory()]

    def watch() -> None:
        while True:
            most[0] = max(most[0], own_memory())
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    return lambda: most[0]


def measure(rows: int, repeats: int, *, copies: bool = False) -> dict[str, Any]:
    """In a process of its own, for its memory's sake."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.arrow"
        write(path, rows)
        command = [sys.executable, "-m", "benchmarks.bench_datasets"]
        command += [str(path), str(repeats), *(["copies"] if copies else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def run() -> list[Section]:
    section = Section(
        "Data sets, end to end",
        "`validate_dataset` on a Dataset on disk: 10 columns, 1 % bad rows. Which rows are valid "
        "is written to disk, the invalid ones with their messages to a Parquet quarantine. Extra "
        "memory is the peak of memory that is no mapped file. BENCH_ROWS=10000000 adds the largest "
        "size.",
    )
    sizes = sorted({*SIZES, int(os.environ.get("BENCH_ROWS", SIZES[-1]))})
    for rows in sizes:
        found = measure(rows, 1 if rows > 1_000_000 else 5)
        speed = rows / min(found["seconds"]) / 1e6
        aims = rows == 1_000_000
        section.add(
            Row(
                f"{rows:,} rows",
                f"{min(found['seconds']):.2f} s",
                ratio=f"{speed:.2f}M rows/s",
                aim="≥ 3M rows/s" if aims else "",
                met=speed >= 3 if aims else None,
            )
        )
        if rows >= 3_000_000:
            section.add(
                Row(
                    f"extra memory at {rows:,} rows",
                    f"{found['grew']:.0f} MB",
                    aim="< 300 MB",
                    met=found["grew"] < 300,
                )
            )
    took = min(measure(1_000_000, 3, copies=True)["seconds"])
    section.add(
        Row(
            "1,000,000 rows, the valid ones copied to `output`",
            f"{took:.2f} s",
            ratio=f"{1 / took:.2f}M rows/s",
        )
    )
    section.add(_drift())
    return [section]


def _drift() -> Row:
    from llm_integrations.core.drift import compare_profiles, profile_tables
    from llm_integrations.core.validation import compile_validator

    validator = compile_validator(SCHEMA, reference="row@1")
    rows = table(CHUNK)
    known = profile_tables([rows], validator)
    started = time.perf_counter()
    compare_profiles(known, known)
    compared = time.perf_counter() - started
    started = time.perf_counter()
    profile_tables([rows], validator)
    took = time.perf_counter() - started
    return Row(
        f"drift: profile of {CHUNK:,} rows, and comparing two",
        f"{took:.2f} s",
        ratio=f"{CHUNK / took / 1e6:.2f}M rows/s; {compared * 1000:.0f} ms",
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(
        json.dumps(validate(target, target.parent / "runs", int(sys.argv[2]), "copies" in sys.argv))
    )
