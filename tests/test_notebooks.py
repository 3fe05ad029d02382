"""Every notebook runs from top to bottom, offline, and is committed with what it shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.support.notebooks import NOTEBOOKS, SECONDS, forms

RUN = """
import sys
from pathlib import Path
import nbformat
from tests.support.notebooks import run
path, folder, shown = map(Path, sys.argv[1:])
nbformat.write(run(path, folder), shown)
"""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_is_committed_with(path: Path, tmp_path: Path) -> None:
    folder, shown = tmp_path / "run", tmp_path / "shown.ipynb"
    folder.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(path), str(folder), str(shown)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 20,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    again = "`make notebooks` writes it anew"
    assert forms(read(shown)) == forms(read(path)), again
    # So that it runs again in the same folder, and leaves nothing for somebody to find.
    assert {one.name for one in folder.iterdir()} <= {"hf", "ipython"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_something_and_nothing_of_a_machine(path: Path) -> None:
    notebook = read(path)
    assert any(cell.get("outputs") for cell in notebook.cells)
    text = path.read_text(encoding="utf-8")
    assert "/tmp" not in text.replace("/tmp/demo", "")
    assert len(text) < 400_000
