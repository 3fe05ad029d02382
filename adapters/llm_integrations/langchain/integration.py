"""A schema changes: which prompts are affected, and their owners are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from llm_integrations.core.binding import INPUT, OUTPUT, OWNER
from llm_integrations.core.catalogue import Catalogue, Usage
from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.evolution import migration_guide
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.notify import Notice, Notifier, notifier_for
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.langchain.impact import AffectedPrompt, impact_of, is_breaking
from llm_integrations.langchain.report import ChainReport, report_on
from llm_integrations.langchain.walk import FoundPrompt, prompts_in

__all__ = ["PromptManagementIntegration"]


@dataclass(frozen=True, slots=True)
class _Versions:
    """What a change is between; either can be gone from the registry."""

    old: RegisteredSchema | None
    new: RegisteredSchema | None

    def breaks(self, role: str) -> bool:
        if self.old is None or self.new is None:
            return False
        return is_breaking(self.old, self.new, role)

    @property
    def owner(self) -> str | None:
        """As the newest version that names one has it."""
        named = (schema.owner for schema in (self.new, self.old) if schema is not None)
        return next((owner for owner in named if owner), None)

    @property
    def guide(self) -> str:
        if self.old is None or self.new is None:
            return ""
        return migration_guide(self.old, self.new).to_markdown()


class PromptManagementIntegration(LLMModuleIntegration):
    """Knows which prompts use which schema and tells their owners of changes.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        catalogue: where prompts are kept; a path is an SQLite file, None is this process's memory.
        notifier: a Notifier or a function taking a Notice; None writes to the log. It may be
            called again with the same ``event_id`` after a crash.
    """

    delivery: ClassVar[Delivery] = "work"

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        catalogue: Catalogue | str | Path | None = None,
        notifier: Notifier | Callable[[Notice], Awaitable[None] | None] | None = None,
    ) -> None:
        super().__init__(registry)
        given = ":memory:" if catalogue is None else catalogue
        self.catalogue = given if isinstance(given, Catalogue) else Catalogue(given)
        self._notifier = notifier_for(notifier)

    @property
    def name(self) -> str:
        return "langchain"

    def register_chain(self, chain: Any, name: str) -> list[Usage]:
        """Put every bound prompt of a chain into the catalogue; returns its uses of schemas."""
        usages = [u for found in prompts_in(chain) for u in _usages(name, found)]
        self.catalogue.add(*usages)
        return usages

    def register_prompt(
        self, name: str, schema: str | SchemaRef, *, owner: str | None = None, role: str = "input"
    ) -> Usage:
        """Put a prompt into the catalogue that lives elsewhere (a prompt hub, a file)."""
        usage = Usage("prompt", name, SchemaRef.parse(schema), role, owner)
        self.catalogue.add(usage)
        return usage

    def chain_report(self, chain: Any) -> ChainReport:
        """Each prompt of a chain with its schema, version, state, and what is newer."""
        return report_on(chain, self.registry)

    async def affected_prompts(self, event: SchemaEvent) -> list[AffectedPrompt]:
        """The prompts that a change concerns, the worst first."""
        return _affected(
            self.catalogue.using(event.subject, "prompt"), event, await self._versions(event)
        )

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        self.registry.apply_event(event)
        versions = await self._versions(event)
        affected = _affected(self.catalogue.using(event.subject, "prompt"), event, versions)
        for owner, prompts in _by_owner(affected, versions.owner).items():
            await self._notifier.notify(_notice(owner, event, prompts, versions.guide))

    async def _versions(self, event: SchemaEvent) -> _Versions:
        if event.event_type is not SchemaEventType.UPDATED:
            return _Versions(None, None)
        return _Versions(
            await self._version(event.subject, event.previous_version),
            await self._version(event.subject, event.version),
        )

    async def _version(self, subject: str, version: str | None) -> RegisteredSchema | None:
        if version is None:
            return None
        try:
            return await self.registry.aio.get(SchemaRef.parse(f"{subject}@{version}"))
        except SchemaNotFound:
            return None


def _usages(chain: str, found: FoundPrompt) -> Iterable[Usage]:
    for role, key in (("input", INPUT), ("output", OUTPUT)):
        reference = found.metadata.get(key)
        if reference:
            owner = found.metadata.get(OWNER)
            yield Usage("prompt", f"{chain}/{found.name}", SchemaRef.parse(reference), role, owner)


def _affected(
    usages: Iterable[Usage], event: SchemaEvent, versions: _Versions
) -> list[AffectedPrompt]:
    found = [
        AffectedPrompt(usage, impact_of(usage, event, breaking=versions.breaks(usage.role)))
        for usage in usages
    ]
    return sorted((one for one in found if one.impact != "none"), key=lambda one: one.severity)


def _by_owner(
    affected: Iterable[AffectedPrompt], fallback: str | None
) -> dict[str | None, list[AffectedPrompt]]:
    groups: dict[str | None, list[AffectedPrompt]] = {}
    for one in affected:
        groups.setdefault(one.owner or fallback, []).append(one)
    return groups


def _notice(
    owner: str | None, event: SchemaEvent, prompts: list[AffectedPrompt], guide: str
) -> Notice:
    worst = prompts[0].impact
    count = f"{len(prompts)} prompt{'s' if len(prompts) > 1 else ''}"
    return Notice(
        owner=owner,
        event=event,
        affected=tuple(str(prompt) for prompt in prompts),
        headline=f"{event.subject}@{event.version} {event.event_type}: {worst} for {count}",
        guide=guide,
        breaking=worst in ("breaking", "deleted"),
    )
