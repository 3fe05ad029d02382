"""The examples that need no server run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"

SAID = {
    "langchain/chain.py": ["Welcome!", "stopped: ", "/age"],
    "evaluation/pinned.py": ["runs: ", "refused: ", "re-pinned: qa-case@1 to qa-case@2"],
}


@pytest.mark.parametrize("name", SAID)
def test_an_example_says_what_it_is_about(name: str, tmp_path: Path) -> None:
    roots = os.pathsep.join(str(EXAMPLES.parents[1] / root) for root in ("shared", "adapters"))
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": roots},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    for part in SAID[name]:
        assert part in result.stdout
