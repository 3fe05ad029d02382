"""The template of an adapter: records of any Python iterable, held to a schema.

Copy this file to ``adapters/llm_integrations/<framework>/``, let ``SchemaFilter`` take the shape of
a step of the framework, and ``_payload``, ``_with_metadata`` and ``_name`` read its records. The
judge decides, counts, logs and sets aside; an adapter only says what is judged and hands it on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from llm_integrations.core.config import Mode, OnUnavailable, ValidationOptions
from llm_integrations.core.impact import in_force_after
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.judge import Judge
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine import Quarantine
from llm_integrations.core.registry import Registry, SchemaRef, resolve_registry
from llm_integrations.core.stamp import InForce, without_stamp

__all__ = ["FilterIntegration", "Record", "SchemaFilter"]

log = get_logger(__name__)

Record = Mapping[str, Any]
"""What the framework hands on: ``{"id": …, "metadata": {…}, …}``."""


class SchemaFilter:
    """Judges the metadata of records and stamps a copy with the version it was judged by.

    Args:
        schema: as ``doc-meta@latest``; what ``latest`` means is looked up on each call.
        registry: a Registry, a URL, or None for the environment's.
        mode: ``enforce`` sets invalid records aside, or raises where there is no quarantine;
            ``warn`` logs, counts and lets them pass with ``schema_valid: False``; ``off`` does
            nothing.
        quarantine: where invalid records go under ``enforce``, whole and with the reasons.
        source: what quarantined records say about where they come from.
        on_unavailable: "raise" or "pass" when there is no schema to judge by; None means raise
            under enforce and pass under warn.
        options: how to judge; None takes the registry's.
    """

    def __init__(
        self,
        schema: str | SchemaRef,
        registry: Registry | str | None = None,
        *,
        mode: Mode = "enforce",
        quarantine: Quarantine | str | Path | None = None,
        source: str = "template",
        on_unavailable: OnUnavailable | None = None,
        options: ValidationOptions | None = None,
    ) -> None:
        self.schema_ref = SchemaRef.parse(schema)
        self.quarantine = Quarantine.of(quarantine)
        self.source = source
        client = resolve_registry(registry)
        self.judge = Judge(client, "template", "document", mode, on_unavailable, options)

    def __call__(self, records: Iterable[Record]) -> list[Record]:
        """The records that go on. Raises SchemaValidationError as ``mode`` says."""
        validator = self.judge.resolve(self.schema_ref)
        if validator is None:
            return self._apply(records, None)
        schema = self.judge.registry.get(validator.reference)
        return self._apply(records, InForce(validator, schema.id))

    async def acall(self, records: Iterable[Record]) -> list[Record]:
        """The same, with nothing but bookkeeping on the event loop."""
        validator = await self.judge.aresolve(self.schema_ref)
        if validator is None:
            return self._apply(records, None)
        schema = await self.judge.registry.aio.get(validator.reference)
        return await asyncio.to_thread(self._apply, records, InForce(validator, schema.id))

    def _apply(self, records: Iterable[Record], in_force: InForce | None) -> list[Record]:
        validator = in_force.validator if in_force else None
        found = self.judge.sort(validator, records, payload=_payload)
        settled = self.judge.settle(
            found, self.quarantine, source=self.source, whole=dict, position=_name
        )
        return [
            _with_metadata(record, in_force.stamped(record["metadata"], valid=bool(verdict)))
            if in_force and verdict.outcome in ("valid", "invalid")
            else record
            for record, verdict in settled
        ]


class FilterIntegration(LLMModuleIntegration):
    """Hands on what was set aside once a new version of the schema takes it.

    Args:
        step: the filter whose quarantine is released.
        hand_on: takes what became valid; after a crash it may get the same records again.
    """

    delivery: ClassVar[Delivery] = "work"

    def __init__(self, step: SchemaFilter, hand_on: Callable[[Sequence[Record]], None]) -> None:
        super().__init__(step.judge.registry)
        self._step = step
        self._hand_on = hand_on

    @property
    def name(self) -> str:
        return "template"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        await self.registry.follow([event])
        ref, quarantine = self._step.schema_ref, self._step.quarantine
        concerns = event.subject == ref.subject and ref.is_latest
        if not concerns or not event.event_type.brings_content or quarantine is None:
            return
        # Not the event's version: a newer one may have replaced it before the event came.
        schema = await in_force_after(self.registry, ref, event)
        if schema is None:
            return
        options = self._step.judge.options
        validator = await self.registry.aio.validator_for(schema, options=options)
        result = await asyncio.to_thread(
            quarantine.release, validator, lambda found: self._hand_on([r.value for r in found])
        )
        log.info("%s: %d released, %d kept", event, result.released, result.kept)


def _payload(record: Record) -> Mapping[str, Any]:
    return without_stamp(record["metadata"])


def _with_metadata(record: Record, metadata: Mapping[str, Any]) -> Record:
    return {**record, "metadata": metadata}


def _name(record: Record) -> str:
    return str(record["id"])
