"""A source that polls any registry for its latest versions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    SchemaNotFound,
    Unsupported,
)
from llm_integrations.core.events.sources.snapshots import SnapshotSource
from llm_integrations.core.events.sources.view import SeenVersion, Versions, View, events_between
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.model.schema import DELETED, RegisteredSchema

if TYPE_CHECKING:
    from llm_integrations.core.registry import Latest, Registry

__all__ = ["PollSource"]

_JITTER: Final = 0.2


class PollSource(SnapshotSource):
    """Asks again and again for what is latest, and tells what changed.

    One request per interval and thousand subjects where the registry can list the latest of all,
    else one for each subject; a few more for a subject that changed. What happens to versions that
    are not the latest cannot be seen this way. A subject whose latest cannot be read, or is no JSON
    Schema, is named once, and nothing is told of it until it can be.

    Args:
        registry: the client to ask by.
        subjects: the subjects that matter; None means all.
        interval: seconds between two looks, give or take a fifth, so that many pollers do not ask
            at once.
        start: "now" tells what changes from now on (or, where a state is kept, since the last
            run); "beginning" also what is there.
        name: unique within a listener.
    """

    def __init__(
        self,
        registry: Registry,
        subjects: Collection[str] | None = None,
        *,
        interval: float = 30.0,
        start: Literal["now", "beginning"] = "now",
        name: str = "poll",
    ) -> None:
        if interval <= 0:
            raise ConfigurationError("interval must be above 0 (seconds)")
        super().__init__(name, start)
        self._registry = registry
        self._subjects = None if subjects is None else frozenset(subjects)
        self._interval = interval

    async def _looks(self) -> AsyncGenerator[tuple[View, list[SchemaEvent]], None]:
        while True:
            yield await self._look()
            wait = self._interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
            await asyncio.sleep(wait)

    async def _look(self) -> tuple[View, list[SchemaEvent]]:
        latest = await self._registry.aio.latest(self._subjects)
        # On a thread: fifty thousand subjects take a while, and this loop serves others.
        if self._view is None:
            return await asyncio.to_thread(self._baseline, latest), []
        view = View(self._view.subjects)
        events: list[SchemaEvent] = []
        for subject in await asyncio.to_thread(_changed, view, latest):
            with self._alone(subject):
                before = view.of(subject)
                after = await self._after(subject, before, latest.get(subject))
                known = {**_learned(before, after), **before}
                registry = await self._registry.aio.identity()
                events += events_between(registry, subject, known, after)
                view.put(subject, after)
        return view, events

    def _baseline(self, latest: Latest) -> View:
        view = View()
        for subject, schema in latest.items():
            with self._alone(subject):
                seen = SeenVersion.of(schema)
                view.put(subject, {seen.version: seen})
        return view

    async def _after(
        self, subject: str, before: Versions, now: RegisteredSchema | None
    ) -> dict[Version, SeenVersion]:
        """The versions of a changed subject, without old ones that were never known."""
        live = await self._versions(subject)
        newest = max((version_key(v) for v in before), default=None)
        after: dict[Version, SeenVersion] = {}
        for version in live:
            known = before.get(version)
            if now is not None and version == now.version:
                after[version] = SeenVersion.of(now)
            elif known is not None and known.is_live:
                after[version] = known
            elif known is not None or newest is None or version_key(version) > newest:
                schema = await self._schema(SchemaRef(subject, version))
                if schema is not None:
                    after[version] = SeenVersion.of(schema)
        gone = before.keys() - after.keys()
        if gone:
            softly = gone & set(await self._versions(subject, deleted=True))
            after |= {v: replace(before[v], state=DELETED, schema=None) for v in softly}
        return after

    async def _schema(self, ref: SchemaRef) -> RegisteredSchema | None:
        try:
            return await self._registry.aio.get(ref)
        except InvalidSchema:  # as a version of another type: no business of ours
            return None

    async def _versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        try:
            return await self._registry.aio.versions(subject, deleted=deleted)
        except (SchemaNotFound, Unsupported):
            return []


def _learned(before: Versions, after: Versions) -> Versions:
    """The versions older than all known ones: they are not new, just never were the latest."""
    newest = max((version_key(v) for v in before), default=None)
    if newest is None:
        return {}
    return {v: seen for v, seen in after.items() if version_key(v) < newest}


def _changed(view: View, latest: Latest) -> list[str]:
    """The subjects whose latest differs from the view, without those that cannot be read."""
    subjects = (latest.keys() | view.subjects.keys()) - latest.left_out.keys()
    return sorted(s for s in subjects if _has_changed(view.of(s), latest.get(s)))


def _has_changed(before: Versions, now: RegisteredSchema | None) -> bool:
    if now is None:
        return any(seen.is_live for seen in before.values())
    released = [seen for seen in before.values() if seen.is_released]
    if not released:
        return True
    newest = max(released, key=lambda seen: version_key(seen.version))
    try:
        return not newest.shows(now)
    except InvalidSchema:  # it has no fingerprint; whoever looks closer says so
        return True
