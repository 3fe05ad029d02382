"""The impact of one event on the users of its subject."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from llm_integrations.core.catalogue import Usage
from llm_integrations.core.evolution import Source
from llm_integrations.core.impact.comparison import guide_text, is_breaking, once, with_references
from llm_integrations.core.impact.versions import (
    is_about,
    owner_of,
    version_before,
    version_or_none,
)
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = ["AffectedUsage", "Impact", "SchemaImpact", "impact_of", "with_owners"]

Impact = Literal["breaking", "compatible", "outdated", "deprecated", "deleted", "none"]
"""breaking: follows latest, which now refuses what it took. compatible: follows latest, nothing
refused. outdated: pinned to an older version, which goes on. deprecated, deleted: its version."""

_ORDER: Final = ("deleted", "breaking", "deprecated", "outdated", "compatible", "none")


@dataclass(frozen=True, slots=True)
class AffectedUsage:
    """A use of a schema that a change concerns, and how badly.

    Attributes:
        usage: as the catalogue has it, with the schema's owner where it names none.
        impact: how the change affects this use.
    """

    usage: Usage
    impact: Impact

    @property
    def owner(self) -> str | None:
        """The owner who is told; None where neither use, nor event, nor schema names one."""
        return self.usage.owner

    @property
    def severity(self) -> int:
        """0 is the worst."""
        return _ORDER.index(self.impact)

    def __str__(self) -> str:
        return f"{self.usage.name} ({self.usage.role}, {self.usage.schema}): {self.impact}"


@dataclass(frozen=True, slots=True)
class SchemaImpact:
    """The impact of one event on some uses of its subject.

    Attributes:
        event: the change.
        affected: the uses that it concerns, the worst first.
        old: the version before a new one, with what it refers to; None where there is none.
        new: the version that an event brings.
    """

    event: SchemaEvent
    affected: Sequence[AffectedUsage] = ()
    old: Source | None = None
    new: Source | None = None

    def by_owner(self) -> dict[str | None, list[AffectedUsage]]:
        """The affected uses of each owner, the worst first."""
        groups: dict[str | None, list[AffectedUsage]] = {}
        for one in self.affected:
            groups.setdefault(one.owner, []).append(one)
        return groups

    async def guide(self) -> str:
        """The migration guide as Markdown; empty where there is nothing to migrate."""
        if self.old is None or self.new is None or not self.affected:
            return ""
        return await once(guide_text, self.old, self.new)


async def impact_of(
    registry: Registry, event: SchemaEvent, usages: Iterable[Usage]
) -> SchemaImpact:
    """The impact of a change on these uses of its subject.

    Schemas are compared in a thread, and once however many ask.

    Raises:
        RegistryError: the registry cannot be asked; the event is delivered again then.
    """
    owned = await with_owners(registry, event, usages)
    if not owned:
        return SchemaImpact(event)
    old, new = await _between(registry, event)
    found = await asyncio.to_thread(_affected, owned, event, old, new)
    return SchemaImpact(event, found, old, new)


async def with_owners(
    registry: Registry, event: SchemaEvent, usages: Iterable[Usage]
) -> list[Usage]:
    """These uses, each with the owner who is told of the event; see ``owner_of``."""
    found = list(usages)
    if all(usage.owner for usage in found):
        return found
    owner = await owner_of(registry, event)
    return [usage if usage.owner else replace(usage, owner=owner) for usage in found]


def _affected(
    usages: Sequence[Usage], event: SchemaEvent, old: Source | None, new: Source | None
) -> list[AffectedUsage]:
    if event.event_type is SchemaEventType.REGISTERED and old is None:
        return []  # a subject's first version changes nothing for anybody

    def breaks(role: str) -> bool:
        return old is not None and new is not None and is_breaking(old, new, role)

    breaking = {role: breaks(role) for role in {usage.role for usage in usages}}
    found = [AffectedUsage(usage, _impact(usage, event, breaking[usage.role])) for usage in usages]
    return sorted((one for one in found if one.impact != "none"), key=lambda one: one.severity)


def _impact(usage: Usage, event: SchemaEvent, breaking: bool) -> Impact:
    """The impact on one use of a subject; ``breaking`` says it of a new version."""
    pinned_here = is_about(event, usage.schema)
    match event.event_type:
        case SchemaEventType.REGISTERED | SchemaEventType.UPDATED if usage.follows_latest:
            return "breaking" if breaking else "compatible"
        case SchemaEventType.REGISTERED | SchemaEventType.UPDATED:
            return "none" if pinned_here else "outdated"
        case SchemaEventType.DEPRECATED if pinned_here or usage.follows_latest:
            return "deprecated"
        case SchemaEventType.DELETED if pinned_here or usage.follows_latest:
            return "deleted"
    return "none"


async def _between(registry: Registry, event: SchemaEvent) -> tuple[Source | None, Source | None]:
    """The version before a new one, and the new one; None for one that the registry has not."""
    if not event.event_type.brings_content:
        return None, None
    old = await version_before(registry, event)
    new = await version_or_none(registry, event.subject, event.version)
    return (
        None if old is None else await with_references(registry, old),
        None if new is None else await with_references(registry, new),
    )
