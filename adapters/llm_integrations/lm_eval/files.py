"""Checking results that a run, or the harness's own command line, stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_integrations.core.config import Mode, check_mode
from llm_integrations.core.errors import PinMismatch
from llm_integrations.core.pins import BenchmarkPins, CheckOutcome, Role, outcome_of
from llm_integrations.core.pins.model import check_role
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.lm_eval.judging import judge_metrics, judge_samples
from llm_integrations.lm_eval.names import Names
from llm_integrations.lm_eval.schemas import (
    TaskSchemas,
    check_schemas,
    declared_schemas,
    group_schemas,
    resolve_schemas,
)
from llm_integrations.lm_eval.stored_samples import (
    StoredSamples,
    groups_in,
    mapping_in,
    read_results,
    recorded_pins,
    samples_of,
)
from llm_integrations.lm_eval.summary import TaskSummary

__all__ = ["FileCheck", "check_results"]


@dataclass(frozen=True)
class FileCheck:
    """The outcome of a check of stored results, by task.

    False if anything is invalid; under ``enforce`` also if anything was not judged.

    Attributes:
        path: the results file.
        tasks: the counts by task, and by group where its metrics were judged.
        mode: as it was asked for.
    """

    path: Path
    tasks: Mapping[str, TaskSummary]
    mode: Mode = "enforce"

    @property
    def outcome(self) -> CheckOutcome:
        """``valid``, ``invalid``, or ``unjudged``: nothing is invalid, and not all was judged."""
        return outcome_of(self.problems(), self.unjudged())

    def problems(self) -> list[str]:
        """One line for each role of a task that holds something invalid."""
        return [problem for summary in self.tasks.values() for problem in summary.problems()]

    def unjudged(self) -> list[str]:
        """One line for each role of a task that was not judged, or not whole, with the reason."""
        return [
            f"{task}: {role}s not judged: {reason}"
            for task, summary in self.tasks.items()
            for role, reason in summary.unjudged.items()
        ]

    def __bool__(self) -> bool:
        return not self.problems() and (self.mode != "enforce" or not self.unjudged())


def check_results(
    path: str | Path,
    *,
    registry: Registry | str | None = None,
    pins: BenchmarkPins | str | Path | None = None,
    schemas: Mapping[str, Any] | None = None,
    migrate: Mapping[str, Callable[[Any], Any]] | None = None,
    mode: Mode = "enforce",
) -> FileCheck:
    """Judge a stored ``results_*.json`` and the samples that were stored with it.

    Cases are judged as the ``doc`` of each sample, results as the samples, metrics as the task's.
    A task is judged by the schemas that its metadata names, else by those that a run of ours
    recorded.

    Args:
        path: the file, or the folder with the newest of them (looked for in subfolders too).
        registry: as for ``evaluate_with_schemas``, as are ``pins`` and ``schemas``.
        migrate: by role what turns old data into the shape of a newer version before it is judged,
            as a migration guide drafts it; it is given a copy.
        mode: ``enforce`` counts what was not judged as a failure, ``warn`` does not.

    Raises:
        ConfigurationError: there is no results file, or ``schemas`` names an unknown role or task.
        InvalidEvaluation: a file is cut off or damaged; the message names it and the line.
        PinMismatch: the results were made by other schemas than those that are pinned, or than
            those that the registry has now.
    """
    check_mode(mode)
    migrations: dict[Role, Callable[[Any], Any]] = {
        check_role(role): function for role, function in (migrate or {}).items()
    }
    check_schemas(schemas or {})
    client = resolve_registry(registry)
    lock = BenchmarkPins(pins, client) if isinstance(pins, str | Path) else pins
    file, results = read_results(path)
    groups = groups_in(results)
    names = Names.of([*results["configs"], *groups], groups, schemas or {})
    tasks = {}
    for name in results["configs"]:
        tasks[name] = _schemas_of(name, results, names, lock, client)
        tasks[name].migrate = migrations
        _judge_samples(tasks[name], samples_of(name, results, file))
    for name in mapping_in(results, "groups"):
        is_pinned = lock is None or lock.find(*names.with_groups(name)) is not None
        recorded = recorded_pins(name, results) if is_pinned else {}
        declared = {role: str(pin.ref) for role, pin in recorded.items()}
        declared |= declared_schemas(name, None, names)
        group = group_schemas(name, declared, names, tasks, lock, client)
        if group is not None:
            group.migrate = migrations
            tasks[name] = group
    for name, schemas_ in tasks.items():
        _judge_metrics(schemas_, mapping_in(results, "results").get(name))
    return FileCheck(file, {name: each.summary for name, each in tasks.items()}, mode)


def _schemas_of(
    name: str,
    results: Mapping[str, Any],
    names: Names,
    lock: BenchmarkPins | None,
    client: Registry,
) -> TaskSchemas:
    """The schemas of a task: those it was run by, unless others are asked for."""
    recorded = recorded_pins(name, results)
    declared = {
        **declared_schemas(name, mapping_in(results["configs"], name).get("metadata"), names),
        **{role: str(pin.ref) for role, pin in recorded.items()},
        **declared_schemas(name, None, names),
    }
    found = resolve_schemas(name, declared, lock, client, names)
    for role, pin in recorded.items():
        now = found.summary.pins.get(role)
        if now is not None and now.ref == pin.ref and now.fingerprint != pin.fingerprint:
            raise PinMismatch(f"{name}: {pin.ref} says something else than when results were made")
    return found


def _judge_samples(task: TaskSchemas, stored: StoredSamples) -> None:
    if "case" in task.validators:
        docs = {sample.get("doc_id"): sample.get("doc") for sample in stored.samples}
        numbers = list(docs)
        task.judge("case", list(docs.values()), lambda index: f"case {numbers[index]}")
    judge_samples(stored.samples, task, None)
    if stored.doubt is not None:
        roles: tuple[Role, ...] = ("case", "result")
        task.summary.unjudged |= {role: stored.doubt for role in roles if role in task.validators}


def _judge_metrics(task: TaskSchemas, metrics: object) -> None:
    if isinstance(metrics, Mapping):
        judge_metrics(metrics, task)
    elif "metric" in task.validators:
        task.summary.unjudged["metric"] = "the file holds no metrics of it"
