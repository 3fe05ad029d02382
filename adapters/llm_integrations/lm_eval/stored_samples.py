"""The samples that belong to a results file, and whether they are all that were evaluated."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import InvalidEvaluation
from llm_integrations.lm_eval.form import file_name
from llm_integrations.lm_eval.store import SAMPLES_KEY, task_hash
from lm_eval.utils import sanitize_task_name

__all__ = ["StoredSamples", "samples_of"]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d.-]+$")


@dataclass(frozen=True)
class StoredSamples:
    """The logged samples of a task.

    Attributes:
        samples: as the file says them; none where there is no file.
        doubt: why they are not those of the results, or not all of them; None if they are.
    """

    samples: Sequence[Mapping[str, Any]] = ()
    doubt: str | None = None


def samples_of(task: str, results: Mapping[str, Any], file: Path) -> StoredSamples:
    """The samples that were stored with a results file.

    Raises:
        InvalidEvaluation: the file of samples is cut off or damaged; the message names the line.
    """
    known = results.get(SAMPLES_KEY)
    entry = known.get(task) if isinstance(known, Mapping) else None
    if isinstance(entry, Mapping) and isinstance(entry.get("file"), str):
        path = file.parent / Path(entry["file"]).name
        candidates = [path] if path.is_file() else []
    else:
        entry = None
        candidates = [path for path in _candidates(task, file) if path.is_file()]
    if not candidates:
        return StoredSamples(doubt="its samples were not logged, or their file is gone")
    content = candidates[0].read_bytes()
    samples = list(_lines(content, candidates[0]))
    doubt = _incomplete(samples, task, results)
    if doubt is None and entry and hashlib.sha256(content).hexdigest() != entry.get("sha256"):
        doubt = "its samples are not those that were stored with these results"
    return StoredSamples(samples, doubt and f"{doubt} ({candidates[0].name})")


def _candidates(task: str, file: Path) -> Iterator[Path]:
    """Files of the same time: of the harness, ours, and the harness's for its hub."""
    time = _TIME.search(file.stem)
    if time is not None:
        for name in (task, file_name(task), sanitize_task_name(task)):
            if "/" not in name:
                yield file.parent / f"samples_{name}_{time[0]}.jsonl"


def _lines(content: bytes, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            sample = json.loads(line)
        except (ValueError, RecursionError):
            sample = None
        if not isinstance(sample, dict):
            raise InvalidEvaluation(f"{path}, line {number}, is cut off or damaged")
        yield sample


def _incomplete(
    samples: Sequence[Mapping[str, Any]], task: str, results: Mapping[str, Any]
) -> str | None:
    evaluated = _mapping(_mapping(results, "n-samples"), task).get("effective")
    metrics = _mapping(_mapping(results, "results"), task)
    filters = {key.partition(",")[2] for key in metrics if "," in key}
    found = Counter(str(sample.get("filter", "none")) for sample in samples)
    if isinstance(evaluated, int):
        for name in sorted(filters):
            if found[name] < evaluated:
                return f"its samples hold {found[name]} of {evaluated} documents ({name})"
    expected = _mapping(results, "task_hashes").get(task)
    if expected is not None and expected != _hash(samples):
        return "its samples are those of another run"
    return None


def _hash(samples: Sequence[Mapping[str, Any]]) -> str | None:
    try:
        return task_hash(samples)
    except (KeyError, TypeError):
        return None


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}
