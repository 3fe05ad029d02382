"""Every notebook runs from top to bottom, offline, and is committed without outputs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SECONDS = 90


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    execute = "from nbclient.cli import main; main()"
    # A notebook works in its own folder, and what it writes there is not for the repository.
    copy = shutil.copy(path, tmp_path)
    command = [sys.executable, "-c", execute, f"--timeout={SECONDS}", str(copy)]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ
        | {
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(tmp_path / "hf"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 20,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    # So that it runs again in the same folder, and leaves nothing for somebody to find.
    assert {one.name for one in tmp_path.iterdir()} <= {path.name, "hf", "ipython"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
