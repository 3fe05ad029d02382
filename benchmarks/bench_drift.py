"""Drift: how often it cries wolf, and what it finds, beside evidently.

``BENCH_EVIDENTLY`` names a folder (or several, as PYTHONPATH does) with evidently and a pandas
before 3, which it needs: ``pip install --target FOLDER evidently 'pandas<3'``. ``BENCH_ROWS`` is
the size of the large file, 1,000,000 by default; the aims are those of 10,000,000.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.drift_cases import KINDS, drifted, undrifted
from benchmarks.drift_large import merged_is_whole
from benchmarks.harness import Row, Section
from llm_integrations.core.drift import DriftReport, detect, profile_tables
from llm_integrations.core.validation import compile_validator

ALARMS = {30: 40, 100: 40, 1000: 20, 10_000: 10}
"""Runs without drift, by the rows on each side."""
_LARGE = 10_000_000
DETECTIONS = {100: 10, 1000: 5}
ANY = compile_validator({"type": "object"})


def run() -> list[Section]:
    peers = {rows: _peer(rows) for rows in ALARMS}
    alarms = Section(
        "Drift: false alarms",
        "Runs in which something is said to have drifted, where both sides are samples of the same "
        "40 columns (numbers of many shapes, categories, rare words, flags, gaps, texts). Ours by "
        "its defaults; evidently 0.7: any column, by the test that its preset chooses for each.",
    )
    for rows, runs in ALARMS.items():
        ours = sum(_ours(*_same(seed, rows)).drifted for seed in range(runs))
        peer = peers[rows]
        shown = f"evidently {peer['alarms']} of {_runs(rows)}" if peer else ""
        what = f"{rows:,} rows on both sides"
        aim = ours <= 0.05 * runs
        alarms.add(Row(what, f"{ours} of {runs}", shown, aim="≤ 5 % of runs", met=aim))
    kinds = Section(
        "Drift: twelve kinds",
        "Runs in which the column that drifted is found, of 10 with 100 rows on both sides and of "
        "5 with 1,000. evidently has no test for lists; its classifier of texts "
        "is left out, for it takes minutes.",
    )
    mine = {rows: _found(rows, runs) for rows, runs in DETECTIONS.items()}
    for name in KINDS:
        for rows, runs in DETECTIONS.items():
            count, peer = mine[rows][name], peers[rows]
            theirs = peer["kinds"].get(name, 0) if peer else None
            kinds.add(
                Row(
                    f"{name}, {rows:,} rows",
                    f"{count} of {runs}",
                    "" if theirs is None else f"evidently {theirs} of {runs}",
                    aim="not below evidently",
                    met=None if theirs is None else count >= theirs,
                )
            )
    return [alarms, kinds, _large(int(os.environ.get("BENCH_ROWS", "1000000")))]


def _large(rows: int) -> Section:
    section = Section(
        "Drift: a large file",
        "A Parquet file of 8 columns, profiled and compared in a process of its own: wall clock, "
        "processor time on all cores, and the most memory that the process held.",
    )
    with TemporaryDirectory() as folder:
        path = f"{folder}/rows.parquet"
        command = [sys.executable, "-m", "benchmarks.drift_large"]
        subprocess.run([*command, "make", path, str(rows)], check=True)
        done = subprocess.run([*command, "measure", path], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    seconds, peak = found["seconds"], found["peak"]
    section.add(
        Row(
            f"{rows:,} rows",
            f"{seconds:.2f} s ({found['processor']:.2f} s of processor time)",
            ratio=f"{rows / seconds / 1e6:.1f}M rows/s",
            aim="10 million in 3 s",
            met=seconds <= 3 if rows >= _LARGE else None,
        )
    )
    section.add(Row("memory at its peak", f"{peak:.0f} MB", aim="≤ 450 MB", met=peak <= 450))
    same = merged_is_whole()
    told = "the same" if same else "another"
    section.add(Row("profile merged from 4 parts", told, aim="the same", met=same))
    return section


def _same(seed: int, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    one, two = (undrifted(np.random.default_rng([seed, side]), rows) for side in (1, 2))
    return one, two


def _ours(before: dict[str, Any], after: dict[str, Any]) -> DriftReport:
    return detect([pa.table(after)], ANY, profile_tables([pa.table(before)], ANY))


def _found(rows: int, runs: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(runs):
        columns = _ours(*drifted(seed, rows)).drifted_columns
        # The role is a column within that of the messages.
        found.update({name.removesuffix("[*].role") for name in columns})
    return found


def _runs(rows: int) -> int:
    return min(ALARMS[rows], 5)


def _peer(rows: int) -> dict[str, Any]:
    folder = os.environ.get("BENCH_EVIDENTLY")
    if not folder:
        return {}
    paths = os.pathsep.join([folder, *sys.path])
    arguments = [str(rows), str(_runs(rows)), str(DETECTIONS.get(rows, 0))]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.drift_peer", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
