"""The versions that an event concerns, and their owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_integrations.core.errors import InvalidReference, SchemaNotFound
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.reference import (
    LATEST,
    SchemaRef,
    Version,
    parse_version,
    version_key,
)
from llm_integrations.core.model.schema import RegisteredSchema

if TYPE_CHECKING:
    from llm_integrations.core.registry import Registry

__all__ = [
    "in_force_after",
    "is_about",
    "is_before",
    "owner_of",
    "version_before",
    "version_or_none",
]


async def owner_of(registry: Registry, event: SchemaEvent) -> str | None:
    """The owner for uses that name none: as the event says, else as the registry does.

    The event's version counts first, then the one before it, then the latest.
    """
    named = event.metadata.get("owner")
    if named:
        return str(named)
    for version in filter(None, (event.version, event.previous_version, LATEST)):
        schema = await version_or_none(registry, event.subject, version)
        if schema is not None and schema.owner:
            return schema.owner
    return None


def is_about(event: SchemaEvent, ref: SchemaRef) -> bool:
    """Whether a reference means the very version of an event: ``@2`` is ``2.0.0``."""
    try:
        return not ref.is_latest and _key(event) == version_key(ref.version)
    except InvalidReference:
        return False


async def in_force_after(
    registry: Registry, ref: SchemaRef, event: SchemaEvent | None = None
) -> RegisteredSchema | None:
    """The version that a reference means at the registry itself; None when none is left.

    Raises:
        RegistryError: the registry cannot tell. An old copy in place of the version that the event
            brings would make the event look handled.
    """
    try:
        found = await registry.aio.in_force(ref)
        if event is not None and ref.is_latest and is_before(found, event):
            # The event's version may be gone again, or a draft; an outage raises here.
            await registry.aio.versions(ref.subject)
            found = await registry.aio.in_force(ref)
    except SchemaNotFound:
        return None
    return found


async def version_before(registry: Registry, event: SchemaEvent) -> RegisteredSchema | None:
    """The latest version before the one that an event brings; None where that is unknown."""
    version = event.previous_version or await _highest_below(registry, event)
    return None if version is None else await version_or_none(registry, event.subject, version)


async def version_or_none(
    registry: Registry, subject: str, version: Version
) -> RegisteredSchema | None:
    """One version of a subject; None if the registry has it not."""
    try:
        return await registry.aio.get(SchemaRef(subject, parse_version(version)))
    except (SchemaNotFound, InvalidReference):
        return None


async def _highest_below(registry: Registry, event: SchemaEvent) -> Version | None:
    """The newest version below the event's: not every source of events names the previous one."""
    try:
        mine = _key(event)
        versions = await registry.aio.versions(event.subject)
    except (SchemaNotFound, InvalidReference):
        return None
    before = [version for version in versions if version_key(version) < mine]
    stable = [v for v in before if not SchemaRef(event.subject, v).is_prerelease]
    return max(stable, key=version_key, default=None)


def is_before(schema: RegisteredSchema, event: SchemaEvent) -> bool:
    """Whether an event brings a version above this one."""
    try:
        return event.event_type.brings_content and version_key(schema.ref.version) < _key(event)
    except InvalidReference:
        return False


def _key(event: SchemaEvent) -> Any:
    return version_key(parse_version(event.version))
