"""Checking results that the harness's own command line stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation
from llm_integrations.core.pins import BenchmarkPins
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.lm_eval.results import judge_metrics, judge_samples
from llm_integrations.lm_eval.schemas import declared_schemas, resolve_schemas
from llm_integrations.lm_eval.summary import TaskSummary

__all__ = ["FileCheck", "check_results"]

_SAMPLES = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT[\d.-]+\.jsonl")


@dataclass(frozen=True)
class FileCheck:
    """The outcome of a check of stored results, by task. False if anything is invalid."""

    path: Path
    tasks: Mapping[str, TaskSummary]

    def problems(self) -> list[str]:
        return [problem for summary in self.tasks.values() for problem in summary.problems()]

    def __bool__(self) -> bool:
        return not self.problems()


def check_results(
    path: str | Path,
    *,
    registry: Registry | str | None = None,
    pins: BenchmarkPins | str | Path | None = None,
    schemas: Mapping[str, Any] | None = None,
) -> FileCheck:
    """Judge a stored ``results_*.json`` and the samples beside it.

    Args:
        path: the file, or the folder with the newest of them (looked for in subfolders too).
        registry: as for ``evaluate_with_schemas``, as are ``pins`` and ``schemas``.

    Raises:
        InvalidEvaluation: a file is cut off or damaged; the message names it and the line.
        PinMismatch: the results were made by other schemas than those that are pinned.
    """
    client = resolve_registry(registry)
    lock = BenchmarkPins(pins, client) if isinstance(pins, str | Path) else pins
    file = _results_file(Path(path))
    results = _read(file)
    summaries = {}
    for name, config in results.get("configs", {}).items():
        declared = declared_schemas(name, config.get("metadata"), schemas or {})
        task = resolve_schemas(name, declared, lock, client)
        judge_samples(_samples(file.parent, name), task, None)
        judge_metrics(results.get("results", {}).get(name, {}), task)
        summaries[name] = task.summary
    if not summaries:
        raise InvalidEvaluation(f"{file} holds no task")
    return FileCheck(file, summaries)


def _results_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.rglob("results_*.json"), key=lambda file: file.name)
    if not found:
        raise ConfigurationError(f"{path} holds no results_*.json")
    return found[-1]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise InvalidEvaluation(f"{path} is cut off or damaged: {error}") from None
    if not isinstance(document, dict):
        raise InvalidEvaluation(f"{path} holds no results")
    return document


def _samples(folder: Path, task: str) -> Iterator[dict[str, Any]]:
    """The newest samples of a task; none if they were not logged."""
    files = sorted(f for f in folder.glob("samples_*.jsonl") if _task_of(f) == task)
    if not files:
        return
    with files[-1].open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield json.loads(line)
            except ValueError:
                raise InvalidEvaluation(
                    f"{files[-1]}, line {number}, is cut off or damaged"
                ) from None


def _task_of(file: Path) -> str | None:
    match = _SAMPLES.fullmatch(file.name)
    return match["task"] if match else None
