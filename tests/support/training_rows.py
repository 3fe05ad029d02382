"""Rows that the tests of data sets judge, every tenth of them invalid, and fixtures for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from llm_integrations.core.registry import Registry, connect

ROW = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0}, "text": {"type": "string"}},
    "required": ["n"],
}
SIZE = 1000
NUMBERS = [index if index % 10 else -index - 1 for index in range(SIZE)]
BAD = [index for index, number in enumerate(NUMBERS) if number < 0]


def table() -> pa.Table:
    return pa.table({"n": NUMBERS, "text": [f"t{index}" for index in range(SIZE)]})


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("row", ROW)
        yield client


@pytest.fixture(autouse=True)
def small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged in blocks of 128 rows, in each test of a module that imports this."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "hf"))
    for module in ("sources", "run"):
        monkeypatch.setattr(f"llm_integrations.datasets.run.{module}.BLOCK", 128)
    monkeypatch.setattr("llm_integrations.datasets.run.lines.LINES", 128)


def lines_with_blanks(path: Path) -> Path:
    """The rows of ``table`` with a blank line before every fiftieth."""
    rows = table().to_pylist()
    lines = [("" if n % 50 else "\n") + json.dumps(row) + "\n" for n, row in enumerate(rows)]
    path.write_text("".join(lines))
    return path
