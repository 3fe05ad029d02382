"""Which schemas a task is judged by: its metadata, the arguments, the lock file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError, PinMismatch
from llm_integrations.core.judge import Judge
from llm_integrations.core.pins import BenchmarkPins, Pin, Role
from llm_integrations.core.pins.model import check_role
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.validation import Validator
from llm_integrations.core.validation.report import ValidationReport
from llm_integrations.lm_eval.summary import TaskSummary

__all__ = [
    "METADATA_KEY",
    "TaskSchemas",
    "check_schemas",
    "declared_schemas",
    "resolve_schemas",
    "tasks_named",
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

    def judge(self, role: Role, data: Any, where: str) -> ValidationReport | None:
        """Judge and count; the report if the data is invalid, else None."""
        validator = self.validators.get(role)
        if validator is None:
            return None
        report = self.judges[role].judge_by(validator, data).report
        self.summary.counts_of(role).count(report, where)
        return report


def declared_schemas(task: str, metadata: object, schemas: Mapping[str, Any]) -> Declared:
    """The references that a task names, by role; arguments win over the task's metadata.

    Args:
        metadata: of the task's configuration.
        schemas: the ``schemas`` argument: by role, or by task and role.
    """
    named = metadata.get(METADATA_KEY, {}) if isinstance(metadata, Mapping) else {}
    if not isinstance(named, Mapping):
        raise ConfigurationError(
            f"{task}: metadata.{METADATA_KEY} must map case, result, metric to references"
        )
    mine = schemas.get(task, {} if tasks_named(schemas) else schemas)
    return {check_role(role): str(reference) for role, reference in {**named, **mine}.items()}


def check_schemas(schemas: Mapping[str, Any]) -> None:
    """ConfigurationError for a role or a reference that there is not, before a model is loaded."""
    named = tasks_named(schemas)
    if named and len(named) < len(schemas):
        raise ConfigurationError(
            "schemas= maps roles to references, or tasks to such maps: not both"
        )
    for roles in schemas.values() if named else [schemas]:
        for role, reference in roles.items():
            check_role(role)
            SchemaRef.parse(reference)


def tasks_named(schemas: Mapping[str, Any]) -> set[str]:
    """The tasks that the ``schemas`` argument names; none where it is by role."""
    return {name for name, value in schemas.items() if isinstance(value, Mapping)}


def resolve_schemas(
    task: str, declared: Declared, pins: BenchmarkPins | None, registry: Registry
) -> TaskSchemas:
    """The exact schemas of a task.

    Raises:
        PinMismatch: the task is not pinned, names another version than it is pinned to, or has
            no schema at all.
        RegistryError: a schema is not there, or the registry is not.
    """
    exact = _exact(task, declared, pins, registry)
    if not exact:
        raise PinMismatch(
            f"{task} names no schema: write metadata: {{{METADATA_KEY}: {{case: subject@version}}}}"
            " into its YAML, pass schemas=, or pin it"
        )
    return TaskSchemas(
        TaskSummary(task, exact),
        {role: registry.validator(pin.ref) for role, pin in exact.items()},
        {role: Judge(registry, module="lm_eval", side=role) for role in exact},
    )


def _exact(
    task: str, declared: Declared, pins: BenchmarkPins | None, registry: Registry
) -> dict[Role, Pin]:
    if pins is not None:
        return dict(pins.require(task, {role: SchemaRef.parse(r) for role, r in declared.items()}))
    return {role: Pin.to(registry.get(reference)) for role, reference in declared.items()}
