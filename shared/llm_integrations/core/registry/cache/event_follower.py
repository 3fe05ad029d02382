"""Following events with a cache: what changed is marked stale, dropped or fetched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from llm_integrations.core.config import check_kind
from llm_integrations.core.errors import (
    InvalidReference,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
)
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.reference import LATEST, Version, parse_version, version_key
from llm_integrations.core.model.schema import ACTIVE, DEPRECATED, DRAFT
from llm_integrations.core.registry.cache.freshness import CacheEntry, same_version
from llm_integrations.core.registry.cache.single_flight import InFlightRequest
from llm_integrations.core.registry.pending import Pending

if TYPE_CHECKING:
    from llm_integrations.core.registry.cache.service import CacheService, Unless

__all__ = ["NOTHING_HELD", "apply_event", "check_events", "follow"]

NOTHING_HELD: Final[Pending[bool]] = Pending()
"""The outcome of ``follow`` where there was nothing to fetch."""
NOTHING_HELD.resolve(True)

Announced: TypeAlias = tuple[str | None, Version]
"""The registry that an event names, and the version that is the latest there."""

_FIRST_PAUSE: Final = 0.01  # seconds; each further one is twice as long


def check_events(events: Iterable[SchemaEvent]) -> list[SchemaEvent]:
    """ConfigurationError unless all are events."""
    check_kind("events", events, Iterable, "a list of events, as [SchemaEvent(…)]")
    checked = list(events)
    for event in checked:
        check_kind("an event", event, SchemaEvent, "a SchemaEvent, as SchemaEvent.updated(…)")
    return checked


def apply_event(service: CacheService, event: SchemaEvent) -> None:
    """Mark stale, so that an event during an outage is no error; a deletion drops."""
    version = _version_of(event)
    if event.event_type == SchemaEventType.DELETED:
        service.drop(event.subject, version)
    elif event.event_type != SchemaEventType.COMPATIBILITY_VIOLATED:
        service.mark_stale(event.subject, version, unless=partial(_shows, event))


def follow(service: CacheService, events: Iterable[SchemaEvent]) -> Pending[bool]:
    """Fetch what the cache holds of what changed; meanwhile its readers have the old copies.

    The outcome is whether the registry answered for all of it.
    """
    changed: dict[str, list[tuple[Version | None, Unless]]] = {}
    announced: dict[str, list[Announced]] = {}
    for event in service.concerning(events):
        version = _version_of(event)
        if event.event_type == SchemaEventType.DELETED:
            service.drop(event.subject, version)
            announced.pop(event.subject, None)
        elif event.event_type != SchemaEventType.COMPATIBILITY_VIOLATED:
            changed.setdefault(event.subject, []).append((version, partial(_shows, event)))
            if version is not None and _becomes_latest(event, version):
                one = event.metadata.get("registry"), version
                announced.setdefault(event.subject, []).append(one)
    fetches = [
        (request, announced.get(subject, []))
        for subject, changes in changed.items()
        for request in service.follow(subject, changes)
    ]
    return service.start(lambda: _all_answered(service, fetches)) if fetches else NOTHING_HELD


def _shows(event: SchemaEvent, entry: CacheEntry) -> bool:
    """Whether a copy is from after an event, as where this client made the change."""
    schema, version = entry.schema, _version_of(event)
    if version is None or schema.version is None:
        return False
    if not same_version(schema.version, version):
        is_newer = version_key(schema.version) > version_key(version)
        return is_newer and event.event_type.brings_content and not entry.is_exact
    expected = ACTIVE if event.event_type.brings_content else DEPRECATED
    if schema.state != str(event.metadata.get("state", expected)):
        return False
    fingerprint = event.metadata.get("fingerprint")
    try:
        return fingerprint is None or fingerprint == schema.fingerprint
    except InvalidSchema:  # it has none
        return False


def _version_of(event: SchemaEvent) -> Version | None:
    try:
        version = parse_version(event.version)
    except InvalidReference:
        return None  # not one version: the whole subject is meant
    return None if version == LATEST else version


def _becomes_latest(event: SchemaEvent, version: Version) -> bool:
    is_prerelease = version_key(version)[3] == 0
    is_draft = event.metadata.get("state") == DRAFT
    return event.event_type.brings_content and not is_draft and not is_prerelease


async def _all_answered(
    service: CacheService, fetches: list[tuple[InFlightRequest, list[Announced]]]
) -> bool:
    answers = await asyncio.gather(*(_answered(service, *fetch) for fetch in fetches))
    return all(answers)


async def _answered(
    service: CacheService, request: InFlightRequest, announced: list[Announced]
) -> bool:
    """Whether the registry answered; one that lags behind its own events is asked again."""
    give_up = time.monotonic() + service.settings.cache.refresh_wait
    pause = _FIRST_PAUSE
    while True:
        try:
            entry = await request
        except SchemaNotFound:
            return True
        except RegistryError:
            return False
        late = [one for one in announced if _lags(entry, one[1])]
        announced = [one for one in late if await service.identity.means(one[0])]
        if not announced:
            return True
        if time.monotonic() + pause > give_up:
            service.distrust(entry)  # or the version is gone again
            return True
        await asyncio.sleep(pause)
        pause *= 2
        request = service.ask_again(entry)


def _lags(entry: CacheEntry, heard_of: Version) -> bool:
    """Whether what the registry calls latest is older than a version that was heard of."""
    if entry.is_exact or entry.rejected is not None:
        return False
    return version_key(entry.schema.ref.version) < version_key(heard_of)
