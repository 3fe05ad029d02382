"""Reading a results file, and the samples that belong to it: all that were evaluated, or not."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.pins import Pin
from llm_integrations.lm_eval.form import file_name
from llm_integrations.lm_eval.store import SAMPLES_KEY, task_hash
from lm_eval.utils import sanitize_task_name

__all__ = [
    "StoredSamples",
    "groups_in",
    "mapping_in",
    "read_results",
    "recorded_pins",
    "samples_of",
]

_SCHEMAS = "schemas"
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


def read_results(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """A results file, or the newest in a folder, and what it holds: see ``check_results``."""
    file = _results_file(Path(path))
    try:
        document = json.loads(file.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InvalidEvaluation(f"{file} is cut off or damaged ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise InvalidEvaluation(f"{file} holds no results")
    configs = document.get("configs")
    if not isinstance(configs, dict) or not configs:
        raise InvalidEvaluation(f"{file} holds no task")
    return file, document


def _results_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.rglob("results_*.json"), key=lambda file: file.name)
    if not found:
        raise ConfigurationError(f"{path} holds no results_*.json")
    return found[-1]


def groups_in(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """The members of each group; the harness also lists tasks there, which have none."""
    found = mapping_in(results, "group_subtasks").items()
    return {name: list(members) for name, members in found if members}


def recorded_pins(name: str, results: Mapping[str, Any]) -> dict[Any, Pin]:
    """The pins that a run of ours put into its results."""
    pins = mapping_in(mapping_in(mapping_in(results, _SCHEMAS), name), "pins")
    return {role: Pin.from_dict(pin) for role, pin in pins.items()}


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
    evaluated = mapping_in(mapping_in(results, "n-samples"), task).get("effective")
    metrics = mapping_in(mapping_in(results, "results"), task)
    filters = {key.partition(",")[2] for key in metrics if "," in key}
    found = Counter(str(sample.get("filter", "none")) for sample in samples)
    if isinstance(evaluated, int):
        for name in sorted(filters):
            if found[name] < evaluated:
                return f"its samples hold {found[name]} of {evaluated} documents ({name})"
    expected = mapping_in(results, "task_hashes").get(task)
    if expected is not None and expected != _hash(samples):
        return "its samples are those of another run"
    return None


def _hash(samples: Sequence[Mapping[str, Any]]) -> str | None:
    try:
        return task_hash(samples)
    except (KeyError, TypeError):
        return None


def mapping_in(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What stands under a key if it is a mapping; else an empty one."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}
