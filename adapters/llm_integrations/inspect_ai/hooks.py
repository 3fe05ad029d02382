"""Hooks that judge outputs and count. They block nothing: inspect_ai logs what a hook raises."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from inspect_ai.hooks import Hooks, SampleEnd, TaskEnd, TaskStart, hooks
from llm_integrations.core.config import check_name
from llm_integrations.core.errors import LLMIntegrationsError
from llm_integrations.core.judge import Judge
from llm_integrations.core.observability import get_logger
from llm_integrations.core.pins import Pin
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord
from llm_integrations.core.registry import Registry, resolve_registry
from llm_integrations.core.validation import Validator
from llm_integrations.inspect_ai.payload import Extract, checked_extract, output_payload
from llm_integrations.inspect_ai.task import METADATA_KEY

__all__ = ["SchemaHooks", "TaskRecord"]

log = get_logger(__name__)


@dataclass
class TaskRecord:
    """The counts of one task's outputs; ``total`` is valid + ``invalid`` + ``unjudged``.

    Attributes:
        unjudged: of samples that ended in an error, or all where there is no schema.
        extracted: of those judged, how many were found in an output that is more than JSON.
    """

    task: str
    schema: str
    total: int = 0
    invalid: int = 0
    unjudged: int = 0
    extracted: int = 0
    reasons: list[str] = field(default_factory=list)
    validator: Validator | None = field(default=None, repr=False)

    @property
    def valid(self) -> int:
        return self.total - self.invalid - self.unjudged


class SchemaHooks(Hooks):
    """Judges each sample's output by the result schema that its Task's metadata names.

    inspect_ai keeps one instance for the process and calls it from one event loop; what is known
    of a task is kept under its ``eval_id`` until the task ends, then in ``finished``.

    Enable it once: ``SchemaHooks.enable(registry="schemas/")``.
    """

    registry: ClassVar[Registry | str | None] = None
    quarantine: ClassVar[Quarantine | None] = None
    extract: ClassVar[tuple[Extract, ...]] = ()
    finished: ClassVar[list[TaskRecord]] = []

    def __init__(self) -> None:
        self._running: dict[str, TaskRecord] = {}
        self._lock = threading.Lock()

    @classmethod
    def enable(
        cls,
        registry: Registry | str | None = None,
        *,
        quarantine: str | Path | Quarantine | None = None,
        extract: Extract | Sequence[Extract] | None = None,
        name: str = "llm_integrations",
    ) -> type[SchemaHooks]:
        """Register a subclass with these settings; returns it, for its ``finished`` records.

        Args:
            extract: as for ``schema_scorer``.
        """
        check_name("name", name)
        settings: dict[str, Any] = {
            "registry": resolve_registry(registry),
            "quarantine": Quarantine.of(quarantine),
            "extract": checked_extract(extract),
            "finished": [],
        }
        configured = type("EnabledSchemaHooks", (cls,), settings)
        hooks(name, "Judges outputs by the schemas that tasks are pinned to.")(configured)
        return configured

    async def on_task_start(self, data: TaskStart) -> None:
        reference = _result_reference(data.spec.metadata)
        if reference is None:
            return
        record = TaskRecord(data.spec.task, reference)
        try:
            client = resolve_registry(self.registry)
            record.validator = await client.aio.validator(reference)
        except LLMIntegrationsError as error:
            log.error("%s: outputs stay unjudged: %s", record.task, error)
        self._running[data.eval_id] = record

    async def on_sample_end(self, data: SampleEnd) -> None:
        record = self._running.get(data.eval_id)
        if record is None:
            return
        if record.validator is None or data.sample.error is not None:
            record.total += 1
            record.unjudged += 1
            return
        found = output_payload(data.sample.output, self.extract)
        if found.extracted is not None:
            record.extracted += 1
        self._judge(record, record.validator, found.value, str(data.sample.id))

    async def on_task_end(self, data: TaskEnd) -> None:
        record = self._running.pop(data.eval_id, None)
        if record is not None:
            type(self).finished.append(record)
            log.info(
                "%s: %d of %d outputs satisfy %s",
                record.task,
                record.valid,
                record.total,
                record.schema,
                extra={"llmi_task": record.task, "llmi_invalid": record.invalid},
            )

    def _judge(self, record: TaskRecord, validator: Validator, value: Any, sample: str) -> None:
        judge = Judge(resolve_registry(self.registry), module="inspect_ai", side="result")
        report = judge.judge_by(validator, value).report
        record.total += 1
        if report is None:
            return
        record.invalid += 1
        record.reasons.append(f"sample {sample}: {report}")
        if self.quarantine is not None:
            self.quarantine.add(
                [QuarantinedRecord.of(value, report, source=record.task, position=sample)]
            )


def _result_reference(metadata: Mapping[str, Any] | None) -> str | None:
    """The exact reference that a task's metadata names for results: a pin, or plain text."""
    named = (metadata or {}).get(METADATA_KEY)
    result = named.get("result") if isinstance(named, Mapping) else None
    if isinstance(result, Mapping):
        return str(Pin.from_dict(result).ref)
    return None if result is None else str(result)
