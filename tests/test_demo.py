"""``make demo`` does what it tells, on the embedded registry."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from demo.__main__ import main


@pytest.mark.filterwarnings("ignore")  # of libraries: the demo shows them
def test_the_demo_runs_from_beginning_to_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "demo"
    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(sys, "argv", ["demo", "--folder", str(folder)])
    with caplog.at_level(logging.NOTSET, "llm_integrations"), caplog.at_level(0, "lm_eval"):
        main()
    told = capsys.readouterr().out
    assert "336,776 rows = 326,961 valid + 9,815 set aside" in told
    assert "stopped   'Zoe'" in told
    assert "user-profile is not BACKWARD compatible" in told
    assert "refused to run" in told
    assert "team-data is told" in told
    assert (folder / "user-profile-1-to-2.md").read_text().startswith("#")
