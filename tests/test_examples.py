"""The examples that need no server run as they stand."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"

SAID = {
    "langchain/chain.py": ["Welcome!", "stopped: ", "/age"],
    "evaluation/pinned.py": ["runs: ", "refused: ", "re-pinned: qa-case@1 to qa-case@2"],
}


@pytest.mark.parametrize("name", SAID)
def test_an_example_says_what_it_is_about(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    told = capsys.readouterr().out
    for part in SAID[name]:
        assert part in told
