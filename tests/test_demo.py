"""``make demo`` does what it tells, on the embedded registry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_runs_from_beginning_to_end(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "demo", "--folder", str(tmp_path / "demo")],
        cwd=Path(__file__).parents[1],
        env=os.environ
        | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "hf"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    told = result.stdout
    assert "336,776 rows = 326,961 valid + 9,815 set aside" in told
    assert "stopped   'Zoe'" in told
    assert "user-profile is not BACKWARD compatible" in told
    assert "refused to run" in told
    assert "team-data is told" in told
    assert (tmp_path / "demo" / "user-profile-1-to-2.md").read_text().startswith("#")
