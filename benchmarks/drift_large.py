"""Drift of a large file, in a process of its own: how long it takes, and its memory at its peak.

``python -m benchmarks.drift_large make FILE ROWS`` writes it, ``… measure FILE`` prints a dict as
JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from llm_integrations.core.drift import Labels, Profile, detect_in, sketch_tables
from llm_integrations.core.validation import compile_validator

__all__ = ["main"]

BODY: Final = {
    "required": ["id"],
    "properties": {
        "id": {"type": "integer"},
        "score": {"type": "number"},
        "turns": {"type": "integer", "minimum": 0},
        "language": {"enum": ["en", "de", "fr", "es"]},
    },
}
_STEP: Final = 1_000_000
_PARTS: Final = 4


def table(first: int, rows: int) -> pa.Table:
    """8 columns: a counter, numbers of three shapes, words, flags and gaps."""
    made = np.random.default_rng(first)
    words = np.array([f"word {n}" for n in range(3000)])
    return pa.table(
        {
            "id": np.arange(first, first + rows),
            "score": made.normal(size=rows),
            "price": made.lognormal(0, 1, rows),
            "turns": made.poisson(3, rows),
            "language": np.array(["en", "de", "fr", "es"])[made.integers(0, 4, rows)],
            "source": words[np.minimum(made.zipf(1.5, rows), 2999)],
            "flag": made.random(rows) < 0.2,
            "gap": pa.array(made.normal(size=rows), mask=made.random(rows) < 0.1),
        }
    )


def make(path: Path, rows: int) -> None:
    with parquet.ParquetWriter(path, table(0, 1).schema) as writer:
        for first in range(0, rows, _STEP):
            writer.write_table(table(first, min(_STEP, rows - first)))


def measure(path: Path) -> dict[str, Any]:
    """Seconds, processor seconds and the peak in MB of one check of a file."""
    validator = compile_validator(BODY, reference="row@1")
    baseline = sketch_tables(table(0, 10_000), validator).profile()
    started, used = time.perf_counter(), time.process_time()
    report = detect_in(sketch_tables(path, validator), baseline)
    took, used = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": report.current.rows, "seconds": took, "processor": used, "peak": peak}


def merged_is_whole(rows: int = 200_000) -> bool:
    """Whether the profile of four parts is that of the whole."""
    validator, labels, data = compile_validator(BODY, reference="row@1"), Labels(), table(0, rows)
    whole = sketch_tables(data, validator).profile(labels)
    size = -(-rows // _PARTS)
    first, *others = (sketch_tables(data.slice(at, size), validator) for at in range(0, rows, size))
    for other in others:
        first.merge(other)
    return _undated(first.profile(labels)) == _undated(whole)


def _undated(profile: Profile) -> Profile:
    return replace(profile, made_at="")


def main(what: str, path: str, rows: str = "0") -> None:
    if what == "make":
        make(Path(path), int(rows))
    else:
        print(json.dumps(measure(Path(path))))


if __name__ == "__main__":
    main(*sys.argv[1:])
