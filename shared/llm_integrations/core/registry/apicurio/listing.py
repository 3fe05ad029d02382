"""The latest of all subjects of a group, from one list of its versions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llm_integrations.core.errors import RegistryError, RegistryUnavailable, SchemaNotFound
from llm_integrations.core.model.schema import DRAFT, RegisteredSchema
from llm_integrations.core.registry.apicurio.protocol import ApicurioGroup, ledger_of, named
from llm_integrations.core.registry.apicurio.replies import ApicurioVersion
from llm_integrations.core.registry.backend import Latest, Page
from llm_integrations.core.registry.http.client import HttpClient
from llm_integrations.core.registry.listing.left_out import NamedOnce, latest_of_listed

__all__ = ["LatestOfGroup"]

_LISTS: Final = 10  # requests of one call, for a part of the list each
_CONTENTS: Final = 200  # versions whose content one call asks for
_PARALLEL: Final = 16
_KEPT: Final = 10_000  # schemas


@dataclass
class _Cursor:
    """How far a look has come: first through the list, then through the newest versions."""

    asked: int = 0
    found: dict[int, ApicurioVersion] = field(default_factory=dict)
    newest: list[ApicurioVersion] | None = None
    read: dict[int, RegisteredSchema] = field(default_factory=dict)


class LatestOfGroup:
    """Lists in pages. The content of a version that is no draft cannot change: it is asked for
    once, and later looks cost the list alone."""

    def __init__(self, http: HttpClient, group: ApicurioGroup) -> None:
        self._http = http
        self._group = group
        self._kept: dict[int, RegisteredSchema] = {}
        self._named = NamedOnce()

    async def page(self, cursor: Any = None) -> Page[Latest]:
        at = cursor if isinstance(cursor, _Cursor) else _Cursor()
        if at.newest is None:
            return await self._list(at)
        latest = await self._read(at.newest[:_CONTENTS], at)
        at.newest = at.newest[_CONTENTS:]  # only now: a call that fails is made again
        self._named.follow(latest, latest.left_out)
        if not at.newest:
            self._kept = dict(list(at.read.items())[:_KEPT])
        return Page(latest, at if at.newest else None)

    async def _list(self, at: _Cursor) -> Page[Latest]:
        for _ in range(_LISTS):
            part, total = await self._http.run(self._group.listed(at.asked))
            ours = (version for version in part if version.group == self._group.name)
            at.found.update((version.global_id, version) for version in ours)
            at.asked += len(part)
            if not part or at.asked >= total:
                latest = self._choose(at)
                return Page(latest, at if at.newest else None)
        return Page(Latest(), at)

    def _choose(self, at: _Cursor) -> Latest:
        """Sets what is the newest of each subject; what has no order is left out."""
        subjects: dict[str, list[ApicurioVersion]] = {}
        for version in at.found.values():
            subjects.setdefault(version.subject, []).append(version)
        at.found, at.newest = {}, []
        latest = Latest()
        for subject, known in subjects.items():
            try:
                entry = ledger_of(subject, known).find(latest_of_listed(subject))
                at.newest.append(named(known, entry))
            except SchemaNotFound:  # deleted, or only drafts
                continue
            except RegistryError as error:
                latest.left_out[subject] = error
        self._named.follow((), latest.left_out)
        return latest

    async def _read(self, some: list[ApicurioVersion], at: _Cursor) -> Latest:
        latest = Latest()
        waiting = iter(some)

        async def work() -> None:
            for version in waiting:
                try:
                    schema = await self._schema(version)
                except SchemaNotFound:
                    continue
                except RegistryUnavailable:
                    raise
                except RegistryError as error:
                    latest.left_out[version.subject] = error
                else:
                    at.read[version.global_id] = latest[version.subject] = schema

        workers = [asyncio.ensure_future(work()) for _ in range(_PARALLEL)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return latest

    async def _schema(self, version: ApicurioVersion) -> RegisteredSchema:
        kept, entry = self._kept.get(version.global_id), version.entry
        if kept is None or entry is None or DRAFT in (entry.state, kept.state):
            return await self._http.run(self._group.schema(version))
        return replace(kept, state=entry.state, metadata=entry.metadata)
