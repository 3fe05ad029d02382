"""Which schemas a task is judged by: its metadata, the arguments, the lock file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from llm_integrations.core.config import check_kind
from llm_integrations.core.errors import ConfigurationError, InvalidEvaluation, PinMismatch
from llm_integrations.core.judge import Judge
from llm_integrations.core.pins import BenchmarkPins, Pin, Role
from llm_integrations.core.pins.content import pin_to
from llm_integrations.core.pins.model import check_role
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.report import ValidationReport
from llm_integrations.lm_eval.names import Names, tasks_named
from llm_integrations.lm_eval.summary import Counted, TaskSummary

__all__ = [
    "METADATA_KEY",
    "Declared",
    "TaskSchemas",
    "check_schemas",
    "declared_schemas",
    "group_schemas",
    "resolve_schemas",
]

METADATA_KEY: Final = "schemas"
"""In a task's YAML: ``metadata: {schemas: {case: qa-case@2, result: qa-result@1}}``."""

Declared = Mapping[Role, str]


@dataclass
class TaskSchemas:
    """One task's validators by role, and the counts so far."""

    summary: TaskSummary
    validators: Mapping[Role, Validator]
    judges: Mapping[Role, Judge] = field(repr=False, default_factory=dict)
    migrate: Mapping[Role, Callable[[Any], Any]] = field(repr=False, default_factory=dict)

    def judge(
        self,
        role: Role,
        data: Sequence[Any],
        where: Callable[[int], str],
        *,
        counted: Counted | None = None,
    ) -> dict[int, ValidationReport]:
        """Judge and count; the reports of what is invalid, by its index.

        Args:
            where: what to call the piece of data at an index.
            counted: as what; None is as the role.
        """
        validator = self.validators.get(role)
        if validator is None or not data:
            return {}
        if role in self.migrate:
            data = [self._migrated(role, piece, where(index)) for index, piece in enumerate(data)]
        verdicts = enumerate(self.judges[role].judge_each(validator, data))
        invalid = {
            index: verdict.report
            for index, verdict in verdicts
            if verdict.report is not None and not verdict.report.is_valid
        }
        examples = (f"{where(index)}: {report}" for index, report in invalid.items())
        self.summary.counts_of(counted or role).count(len(data), len(invalid), examples)
        return invalid

    def _migrated(self, role: Role, data: Any, where: str) -> Any:
        try:
            return self.migrate[role](deepcopy(data))
        except Exception as error:
            task = self.summary.task
            raise InvalidEvaluation(f"{task}, {where}: migrate failed for a {role}") from error


def declared_schemas(task: str, metadata: object, names: Names) -> Declared:
    """The references that a task or a group names, by role; arguments win over its metadata.

    Args:
        metadata: of its configuration.
    """
    named = metadata.get(METADATA_KEY, {}) if isinstance(metadata, Mapping) else {}
    if not isinstance(named, Mapping):
        raise ConfigurationError(
            f"{task}: metadata.{METADATA_KEY} must map case, result, metric to references"
        )
    both = {**named, **names.said_of(task)}
    return {check_role(role): str(reference) for role, reference in both.items()}


def check_schemas(schemas: Mapping[str, Any]) -> None:
    """ConfigurationError for a role or a reference that there is not, before a model is loaded."""
    what = "a dict, as {'case': 'qa-case@1'} or {'task': {'case': 'qa-case@1'}}"
    check_kind("schemas", schemas, Mapping, what)
    named = tasks_named(schemas)
    if named and len(named) < len(schemas):
        raise ConfigurationError(
            "schemas= maps roles to references, or tasks to such maps: not both"
        )
    for roles in schemas.values() if named else [schemas]:
        for role, reference in roles.items():
            check_role(role)
            SchemaRef.parse(reference)


def resolve_schemas(
    task: str, declared: Declared, pins: BenchmarkPins | None, registry: Registry, names: Names
) -> TaskSchemas:
    """The exact schemas of a task; its pins may be those of a group around it, or of a pattern.

    Raises:
        PinMismatch: the task is not pinned, names another version than it is pinned to, or has
            no schema at all.
        RegistryError: a schema is not there, or the registry is not.
    """
    found = _resolved(task, declared, pins, registry, names)
    if not found.validators:
        raise PinMismatch(
            f"{task} names no schema: write metadata: {{{METADATA_KEY}: {{case: subject@version}}}}"
            " into its YAML, pass schemas=, or pin it"
        )
    return found


def group_schemas(
    group: str,
    declared: Declared,
    names: Names,
    tasks: Mapping[str, TaskSchemas],
    pins: BenchmarkPins | None,
    registry: Registry,
) -> TaskSchemas | None:
    """The schema of a group's metrics: its own, else the one by which all its tasks are judged.

    Args:
        declared: by the group itself.
        tasks: those of its members that were resolved.

    Returns:
        None where there is none.
    """
    metric: dict[Role, str] = {"metric": declared["metric"]} if "metric" in declared else {}
    if metric or (pins is not None and pins.find(*names.with_groups(group)) is not None):
        return _of_metrics(group, _resolved(group, metric, pins, registry, names))
    members = [each for name, each in tasks.items() if group in names.around.get(name, ())]
    if len({each.summary.pins.get("metric") for each in members}) != 1:
        return None
    return _of_metrics(group, members[0])


def _of_metrics(group: str, found: TaskSchemas) -> TaskSchemas | None:
    pin = found.summary.pins.get("metric")
    if pin is None:
        return None
    validators: dict[Role, Validator] = {"metric": found.validators["metric"]}
    return TaskSchemas(TaskSummary(group, {"metric": pin}), validators, found.judges)


def _resolved(
    task: str, declared: Declared, pins: BenchmarkPins | None, registry: Registry, names: Names
) -> TaskSchemas:
    exact = _exact(task, declared, pins, registry, names)
    return TaskSchemas(
        TaskSummary(task, exact),
        {role: registry.validator(pin.ref) for role, pin in exact.items()},
        {role: Judge(registry, module="lm_eval", side=role) for role in exact},
    )


def _exact(
    task: str, declared: Declared, pins: BenchmarkPins | None, registry: Registry, names: Names
) -> dict[Role, Pin]:
    if pins is None:
        return {role: pin_to(registry, reference) for role, reference in declared.items()}
    pinned = pins.find(*names.with_groups(task))
    entry = task if pinned is None else pinned.name
    return dict(pins.require(entry, {role: SchemaRef.parse(r) for role, r in declared.items()}))
