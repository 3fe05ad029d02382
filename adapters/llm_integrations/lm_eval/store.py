"""Results on disk, in the harness's own layout, each file whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_integrations.core.files import atomic_write
from llm_integrations.lm_eval.cases import safe_name
from lm_eval.utils import handle_non_serializable

__all__ = ["store_results"]


def store_results(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write ``samples_<task>_<time>.jsonl`` for each task, then ``results_<time>.json``."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    for task, samples in results.get("samples", {}).items():
        with atomic_write(
            folder / f"samples_{safe_name(task)}_{stamp}.jsonl", mode=0o600
        ) as stream:
            for sample in samples:
                stream.write(_line(sample))
    path = folder / f"results_{stamp}.json"
    with atomic_write(path) as stream:
        stream.write(_line({k: v for k, v in results.items() if k != "samples"}, indent=2))
    return path


def _line(value: Any, indent: int | None = None) -> bytes:
    text = json.dumps(value, default=handle_non_serializable, ensure_ascii=True, indent=indent)
    return text.encode() + b"\n"
