"""``simple_evaluate`` with its cases, results and metrics held to their schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from llm_integrations.core.config import check_choice
from llm_integrations.core.errors import InvalidEvaluation, PinMismatch
from llm_integrations.core.pins import BenchmarkPins
from llm_integrations.core.pins.inputs import Inputs
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.lm_eval.inputs import OF_DOCUMENTS, inputs_of_results
from llm_integrations.lm_eval.judging import (
    EvalTask,
    judge_cases,
    judge_metrics,
    judge_samples,
    judge_shots,
    metadata_of,
)
from llm_integrations.lm_eval.loaded import LoadedTasks
from llm_integrations.lm_eval.names import Names
from llm_integrations.lm_eval.schemas import (
    Declared,
    TaskSchemas,
    check_schemas,
    declared_schemas,
    group_schemas,
    resolve_schemas,
)
from llm_integrations.lm_eval.selection import Selection
from llm_integrations.lm_eval.store import ModelTracker, prepare_folder, store_results
from lm_eval.evaluator import simple_evaluate

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

__all__ = ["evaluate_with_schemas"]

OnInvalid = Literal["stop", "set_aside"]


def evaluate_with_schemas(
    model: Any,
    tasks: list[Any],
    *,
    registry: Registry | str | None = None,
    pins: BenchmarkPins | str | Path | None = None,
    schemas: Mapping[str, Any] | None = None,
    on_invalid: OnInvalid = "stop",
    quarantine: str | Path | Quarantine | None = None,
    output: str | Path | None = None,
    task_manager: TaskManager | None = None,
    log_samples: bool = True,
    **kwargs: Any,
) -> dict[str, Any] | None:
    """Run ``lm_eval.simple_evaluate`` with schemas in force.

    Pins are checked and test cases are judged before any model call; samples and metrics are
    judged before they are returned or stored. The results carry, under ``"schemas"``, each task's
    pins and its totals with and without what was invalid.

    Args:
        model: as for ``simple_evaluate``, as are ``tasks`` and ``kwargs``.
        registry: a Registry, a URL, or None for the environment's.
        pins: the lock file; None takes what the tasks name, resolved now and recorded.
        schemas: references by role (``case``, ``result``, ``metric``), or by task and role; they
            win over the ``metadata: {schemas: …}`` of a task's YAML.
        on_invalid: "stop" raises; "set_aside" leaves invalid cases out, counts everything and
            goes on.
        quarantine: a folder for invalid cases and results, with the reasons.
        output: a folder to store results and samples in, each file whole or not at all.

    Returns:
        The harness's results; None on other ranks than 0 of a distributed run.

    Raises:
        ConfigurationError: an option is wrong, ``output`` cannot be written, or ``schemas`` names
            an unknown role or task.
        PinMismatch: a task may not run by the schemas that are there.
        InvalidEvaluation: something is invalid; ``results`` holds what a finished run gave.
    """
    check_choice("on_invalid", on_invalid, OnInvalid)
    check_schemas(schemas or {})
    selection = Selection(
        kwargs.pop("limit", None), kwargs.pop("samples", None), leaves_out=on_invalid == "set_aside"
    )
    run = _Run(
        resolve_registry(registry),
        pins,
        schemas or {},
        on_invalid == "stop",
        Quarantine.of(quarantine),
        selection,
        kwargs.get("num_fewshot"),
    )
    tracker = kwargs.setdefault("evaluation_tracker", None)
    if tracker is None and output is not None:
        kwargs["evaluation_tracker"] = tracker = ModelTracker()
    if output is not None:
        prepare_folder(Path(output))
    with LoadedTasks(task_manager, kwargs, run.judge_tasks, run.check_inputs) as manager:
        results = simple_evaluate(
            model,
            tasks=tasks,
            task_manager=cast("Any", manager),
            limit=selection.limit,
            samples=selection.samples,
            # Samples are logged so that they can be judged, and removed if nobody asked for them.
            log_samples=True,
            **kwargs,
        )
    if results is None:
        return None
    selection.restore(results)
    judged = run.judge_results(dict(results))
    if not log_samples:
        judged.pop("samples", None)
    if output is not None:
        store_results(Path(output), judged, tracker)
    run.stop_if_invalid(judged)
    return judged


class _Run:
    """One evaluation: its options, and the schemas and counts of its tasks."""

    def __init__(
        self,
        registry: Registry,
        pins: BenchmarkPins | str | Path | None,
        schemas: Mapping[str, Any],
        stop: bool,
        quarantine: Quarantine | None,
        selection: Selection,
        num_fewshot: int | None,
    ) -> None:
        self._registry = registry
        self._pins = BenchmarkPins(pins, registry) if isinstance(pins, str | Path) else pins
        self._schemas = schemas
        self._stop = stop
        self._quarantine = quarantine
        self._selection = selection
        self._num_fewshot = num_fewshot
        self._tasks: dict[str, TaskSchemas] = {}
        self._names = Names(schemas, {})

    def judge_tasks(self, tasks: Mapping[str, EvalTask], groups: Mapping[str, Any]) -> None:
        """Check every pin first, then the cases of every task."""
        members = {name: group.child_names for name, group in groups.items()}
        self._names = names = Names.of([*tasks, *groups], members, self._schemas)
        for name, task in tasks.items():
            declared = declared_schemas(name, metadata_of(task.config), names)
            self._tasks[name] = resolve_schemas(name, declared, self._pins, self._registry, names)
        for name, group in groups.items():
            if group.has_aggregation:
                self._add_group(name, declared_schemas(name, metadata_of(group), names), names)
        for name, task in tasks.items():
            self._judge_cases(name, task)
        self.stop_if_invalid(None)

    def _add_group(self, name: str, declared: Declared, names: Names) -> None:
        found = group_schemas(name, declared, names, self._tasks, self._pins, self._registry)
        if found is not None:
            self._tasks[name] = found

    def check_inputs(self, task: str, compute: Callable[[], Inputs]) -> None:
        """PinMismatch where something moved that the task's scores depend on."""
        pinned = self._pins and self._pins.find(*self._names.with_groups(task))
        if self._pins is None or not pinned or task not in pinned.inputs:
            return
        skip = OF_DOCUMENTS if self._selection.is_partial else ()
        found = self._pins.check_inputs(pinned.name, {task: compute()}, skip=skip)
        if found:
            raise PinMismatch(
                f"refused to run: {found[0]}. Pin it by the results of a run without this lock: "
                f"llm-integrations pin add {pinned.name} --results FILE"
            )

    def _judge_cases(self, name: str, task: EvalTask) -> None:
        docs, schemas = task.eval_docs, self._tasks[name]
        judge_shots(task, self._num_fewshot, schemas, self._quarantine)
        positions = self._selection.positions(name, task, len(docs))
        if "case" in schemas.validators:
            kept = judge_cases(docs, positions, schemas, self._quarantine)
            schemas.summary.set_aside = sorted({*positions}.difference(kept))
            positions = kept
        self._selection.keep(name, positions, len(docs))

    def judge_results(self, results: dict[str, Any]) -> dict[str, Any]:
        for name, schemas in self._tasks.items():
            samples = results.get("samples", {}).get(name, ())
            judge_samples(samples, schemas, self._quarantine)
            if samples:
                schemas.summary.inputs = inputs_of_results(name, results, samples)
            judge_metrics(results["results"].get(name, {}), schemas)
        return results | {
            "schemas": {name: each.summary.to_dict() for name, each in self._tasks.items()}
        }

    def stop_if_invalid(self, results: Mapping[str, Any] | None) -> None:
        problems = [p for each in self._tasks.values() for p in each.summary.problems()]
        if problems and self._stop:
            raise InvalidEvaluation("; ".join(problems), results=results)
