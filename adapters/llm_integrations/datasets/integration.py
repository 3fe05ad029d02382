"""A schema changes: which data sets use it, did the data drift, and what may leave quarantine?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from pathlib import Path
from typing import Any, Literal

from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.config import check_choice, check_name
from llm_integrations.core.drift import DriftReport, DriftThresholds
from llm_integrations.core.errors import LLMIntegrationsError, SchemaNotFound
from llm_integrations.core.impact import CatalogueIntegration, in_force_after
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.observability import get_logger
from llm_integrations.core.quarantine import Quarantine, QuarantinedRecord, ReleaseResult
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.tables import LINE_SUFFIXES
from llm_integrations.core.tables.unpack import form_of
from llm_integrations.datasets.drift import detect_drift
from llm_integrations.datasets.schema_map import table_validator

__all__ = ["AffectedDataset", "TrainingPipelineIntegration"]

log = get_logger(__name__)

_DATA, _BASELINE, _QUARANTINE, _RELEASED = "data", "baseline", "quarantine", "released"
_NULLS = "nulls"

Loader = Callable[[Usage], Any]


@dataclass(frozen=True, slots=True)
class AffectedDataset:
    """A data set that a change concerns, and what was done about it.

    Attributes:
        usage: the data set, as it stands in the catalogue, with the schema's owner where it names
            none.
        in_force: the new version judges its rows from now on by itself (it follows the latest).
        drift: what the drift check found; None if there was none.
        released: how many quarantined rows became valid and left, how many stayed; None if
            nothing was judged again.
        problem: why the drift check could not be made, if it could not.
    """

    usage: Usage
    in_force: bool
    drift: DriftReport | None = field(default=None, repr=False)
    released: ReleaseResult | None = None
    problem: str = ""

    @property
    def owner(self) -> str | None:
        """The owner; None where neither the data set, the event nor the schema names one."""
        return self.usage.owner

    def __str__(self) -> str:
        parts = [f"{self.usage.name} ({self.usage.schema})"]
        if self.drift is not None:
            parts.append("drifted" if self.drift.drifted else self.drift.word)
        if self.released is not None:
            parts.append(f"{self.released.released} rows released, {self.released.kept} kept")
        return ", ".join([*parts, self.problem] if self.problem else parts)


OnAffected = Callable[[SchemaEvent, Sequence[AffectedDataset]], Awaitable[None] | None]


class TrainingPipelineIntegration(CatalogueIntegration):
    """Knows which data sets use which schema, and acts when one changes.

    At a new version: caches are dropped; for each data set that uses the schema the drift check
    runs against its baseline, and quarantined rows are judged again, so that what became valid is
    released. A pinned data set keeps its version: it is listed, and nothing of it is judged.
    Released rows go into a folder as parts with the names that they had: handling an event again
    releases nothing twice.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        catalogue: where data sets are kept; a path is an SQLite file, None is memory.
        load: opens a data set for the drift check; None opens the file it was registered with.
        on_affected: told of the data sets; may be called again after a crash.
        thresholds: what may drift.
    """

    kind = "dataset"

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        catalogue: Catalogue | str | Path | None = None,
        load: Loader | None = None,
        on_affected: OnAffected | None = None,
        thresholds: DriftThresholds | None = None,
    ) -> None:
        super().__init__(registry, catalogue=catalogue)
        self._load = load or _file_of
        self._on_affected = on_affected
        self._thresholds = thresholds

    @property
    def name(self) -> str:
        return "datasets"

    def register_dataset(
        self,
        name: str,
        schema: str | SchemaRef,
        *,
        data: str | Path | None = None,
        baseline: str | Path | None = None,
        quarantine: str | Path | None = None,
        released: str | Path | None = None,
        nulls: Literal["absent", "strict"] | None = None,
        owner: str | None = None,
    ) -> Usage:
        """Put a data set into the catalogue.

        Args:
            data: its file (Parquet, CSV or JSONL), if it is one.
            baseline: its profile; None takes the one beside the schema.
            quarantine: where its invalid rows are.
            released: where rows go that became valid; None is ``<quarantine>/released``.
            nulls: how null is taken when rows are judged again; None is "strict" for JSON lines
                and "absent" for all else, as ``validate_dataset`` has it.
            owner: who looks after it; None takes the schema's owner.
        """
        check_name("name", name)
        if nulls is not None:
            check_choice("nulls", nulls, Literal["absent", "strict"])
        if owner is not None:
            check_name("owner", owner)
        lines = data is not None and form_of(Path(data)) in LINE_SUFFIXES
        places = {_DATA: data, _BASELINE: baseline, _QUARANTINE: quarantine, _RELEASED: released}
        known = {key: str(value) for key, value in places.items() if value is not None}
        known[_NULLS] = nulls or ("strict" if lines else "absent")
        usage = Usage("dataset", name, SchemaRef.parse(schema), "rows", owner, known)
        self.catalogue.add(usage)
        return usage

    def datasets_using(self, subject: str) -> list[Usage]:
        """The data sets held to any version of a subject."""
        return self.catalogue.using(subject, "dataset")

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        await self.registry.follow([event])
        if event.event_type is SchemaEventType.COMPATIBILITY_VIOLATED:
            return
        usages = await self.owned_usages(event)
        if not usages:
            return
        in_force = await self._in_force(event)
        # Reading data and judging it take long; the loop has other events to hand out meanwhile.
        affected = [await asyncio.to_thread(self._react, usage, in_force) for usage in usages]
        for one in affected:
            log.info(
                "%s: %s",
                event,
                one,
                extra={"llmi_subject": event.subject, "llmi_event_id": event.event_id},
            )
        if self._on_affected is not None:
            told = self._on_affected(event, affected)
            if isawaitable(told):
                await told

    async def _in_force(self, event: SchemaEvent) -> str | None:
        """The version to judge rows by again: the event's, or a newer one that replaced it."""
        if not event.event_type.brings_content:
            return None
        latest = SchemaRef(event.subject)
        found = await in_force_after(self.registry, latest, event)
        return str(latest if found is None else found.ref)

    def _react(self, usage: Usage, reference: str | None) -> AffectedDataset:
        if reference is None or not usage.follows_latest:
            return AffectedDataset(usage, in_force=False)
        drift, problem = self._drift(usage, reference)
        return AffectedDataset(usage, True, drift, self._release(usage, reference), problem)

    def _drift(self, usage: Usage, reference: str) -> tuple[DriftReport | None, str]:
        """A check that cannot be made is no reason to handle the event again."""
        try:
            data = self._load(usage)
            if data is None:
                return None, ""
            report = detect_drift(
                data,
                reference,
                baseline=usage.metadata.get(_BASELINE),
                registry=self.registry,
                thresholds=self._thresholds,
            )
        except (LLMIntegrationsError, OSError) as error:
            return None, f"no drift check: {error}"
        return report, ""

    def _release(self, usage: Usage, reference: str) -> ReleaseResult | None:
        folder = usage.metadata.get(_QUARANTINE)
        if folder is None:
            return None
        try:
            nulls = usage.metadata.get(_NULLS, "absent")
            options = replace(self.registry.validation, nulls=nulls)
            validator = table_validator(reference, self.registry, options)
        except SchemaNotFound:
            return None
        target = usage.metadata.get(_RELEASED, str(Path(folder) / _RELEASED))
        freed = Quarantine(target)

        def keep(records: Sequence[QuarantinedRecord]) -> None:
            # Named after the records: the same ones again, after a crash, are the same part.
            freed.add(records)

        return Quarantine(folder).release(validator, keep)


def _file_of(usage: Usage) -> Any:
    return usage.metadata.get(_DATA)
