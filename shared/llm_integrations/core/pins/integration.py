"""Reacting to changes of schemas: holds the benchmarks whose pins they concern."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from llm_integrations.core.errors import InvalidReference, SchemaNotFound
from llm_integrations.core.impact import is_about, once, owner_of, with_references
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.reference import parse_version, version_key
from llm_integrations.core.observability import get_logger
from llm_integrations.core.pins.comparison import compare
from llm_integrations.core.pins.holds import Hold
from llm_integrations.core.pins.model import Pin, Role
from llm_integrations.core.pins.pins import BenchmarkPins
from llm_integrations.core.registry import Registry, SchemaRef

__all__ = ["AffectedBenchmark", "EvaluationFrameworkIntegration"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AffectedBenchmark:
    """A benchmark that a change concerns.

    Attributes:
        benchmark, role, pin: what is pinned, and to what.
        comparable: whether past results remain comparable.
        reason: for people.
        held: whether it may not run before it is pinned again.
        owner: of the schema; None where neither the event nor the registry names one.
    """

    benchmark: str
    role: Role
    pin: Pin
    comparable: bool
    reason: str
    held: bool
    owner: str | None = None


class EvaluationFrameworkIntegration(LLMModuleIntegration):
    """Holds the benchmarks that a schema change concerns until they are pinned again.

    A new version that accepts exactly the same data, and a deprecation, hold nothing.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        pins: the lock file of the benchmarks.
        on_affected: told of the affected benchmarks; may be called again after a crash.
    """

    delivery: ClassVar[Delivery] = "work"

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        pins: BenchmarkPins | str | Path = "benchmarks.lock",
        on_affected: Callable[[SchemaEvent, list[AffectedBenchmark]], None] | None = None,
    ) -> None:
        super().__init__(registry)
        self.pins = pins if isinstance(pins, BenchmarkPins) else BenchmarkPins(pins, self.registry)
        self._on_affected = on_affected

    @property
    def name(self) -> str:
        return "evaluation"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        await self.registry.follow([event])
        found = await self._effects(event)
        holds = [Hold(a.benchmark, event.event_id, a.reason, a.comparable) for a in found if a.held]
        # Hold before asking the registry for owners: while it is down, no benchmark may run.
        await asyncio.to_thread(self.pins.hold, *holds)
        affected = await self._owned(event, found)
        for one in affected:
            log.warning(
                "benchmark %s: %s",
                one.benchmark,
                one.reason,
                extra={"llmi_subject": event.subject, "llmi_event_id": event.event_id},
            )
        if affected and self._on_affected is not None:
            self._on_affected(event, affected)

    async def affected_by(self, event: SchemaEvent) -> list[AffectedBenchmark]:
        """The benchmarks that pin the event's subject, and what the change means for each."""
        return await self._owned(event, await self._effects(event))

    async def _owned(
        self, event: SchemaEvent, found: list[AffectedBenchmark]
    ) -> list[AffectedBenchmark]:
        owner = await owner_of(self.registry, event) if found else None
        return [replace(one, owner=owner) for one in found]

    async def _effects(self, event: SchemaEvent) -> list[AffectedBenchmark]:
        if event.event_type is SchemaEventType.COMPATIBILITY_VIOLATED:
            return []
        pinned = await asyncio.to_thread(self.pins.affected_by, event.subject)
        found = [
            await self._effect(event, benchmark.name, role, pin)
            for benchmark in pinned
            for role, pin in benchmark
            if pin.subject == event.subject or pin.refers_to(event.subject)
        ]
        return [effect for effect in found if effect is not None]

    async def _effect(
        self, event: SchemaEvent, benchmark: str, role: Role, pin: Pin
    ) -> AffectedBenchmark | None:
        if pin.subject != event.subject:
            return _of_reference(event, benchmark, role, pin)
        mine = is_about(event, pin.ref)
        if event.event_type is SchemaEventType.DEPRECATED:
            reason = f"{event.subject}@{event.version} is deprecated"
            return AffectedBenchmark(benchmark, role, pin, True, reason, held=False)
        if event.event_type is SchemaEventType.DELETED:
            reason = f"{event.subject}@{event.version} was deleted"
            return AffectedBenchmark(benchmark, role, pin, not mine, reason, held=mine)
        return None if _is_past(event, pin) else await self._update(event, benchmark, role, pin)

    async def _update(
        self, event: SchemaEvent, benchmark: str, role: Role, pin: Pin
    ) -> AffectedBenchmark:
        try:
            old = await self.registry.aio.get(pin.ref)
            new = await self.registry.aio.get(SchemaRef.parse(f"{event.subject}@{event.version}"))
        except SchemaNotFound as error:
            return AffectedBenchmark(benchmark, role, pin, False, str(error), held=True)
        sources = [await with_references(self.registry, schema) for schema in (old, new)]
        found = await once(compare, *sources)
        reason = f"{new} follows {pin.ref}: {found.reason}"
        held = old.fingerprint != new.fingerprint and not found.comparable
        return AffectedBenchmark(benchmark, role, pin, found.comparable, reason, held)


def _of_reference(
    event: SchemaEvent, benchmark: str, role: Role, pin: Pin
) -> AffectedBenchmark | None:
    """The effect on a pin whose schema refers to the event's subject, always by exact versions."""
    gone = event.event_type is SchemaEventType.DELETED
    if not (gone and any(is_about(event, ref) for ref in pin.refers_to(event.subject))):
        return None
    reason = f"{event.subject}@{event.version} was deleted, which {pin.ref} refers to"
    return AffectedBenchmark(benchmark, role, pin, False, reason, held=True)


def _is_past(event: SchemaEvent, pin: Pin) -> bool:
    """Whether an event brings no version above the pinned one, as one that is replayed."""
    try:
        return version_key(parse_version(event.version)) <= version_key(pin.version)
    except InvalidReference:
        return False
