"""Apicurio Registries (``apicurio+https://host/group``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from llm_integrations.core.errors import ConfigurationError, RegistryError, Unsupported
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import ACTIVE, DRAFT, JsonSchema, RegisteredSchema
from llm_integrations.core.registry.address import APICURIO_API
from llm_integrations.core.registry.apicurio.listing import LatestOfGroup
from llm_integrations.core.registry.apicurio.protocol import ApicurioGroup
from llm_integrations.core.registry.backend import Guard, Latest, NewSchema, Page
from llm_integrations.core.registry.http.backend import HttpBackend
from llm_integrations.core.registry.http.exchange import path
from llm_integrations.core.registry.listing.pages import pages_of_latest
from llm_integrations.core.registry.local.ledger import Ledger, check_level

__all__ = ["ApicurioBackend"]


class ApicurioBackend(HttpBackend):
    """RegistryBackend over one group of Apicurio Registry.

    Its rules are applied when a version is registered; compatibility is checked here before as
    well, so that a refusal says why.

    Args:
        urls: of the group, as ``https://host/apis/registry/v3/groups/default``.
    """

    def __init__(self, urls: str | Sequence[str], **options: Any) -> None:
        places = [urls] if isinstance(urls, str) else list(urls)
        bases, _, groups = zip(*(place.rpartition("/groups/") for place in places), strict=True)
        if len(set(groups)) > 1:
            raise ConfigurationError("several URLs of Apicurio Registry must name the same group")
        super().__init__(bases, **options)
        self._group = ApicurioGroup(unquote(groups[0]))
        self._latest = LatestOfGroup(self._http, self._group)

    @property
    def url(self) -> str:
        base = self._http.urls[0].removesuffix(APICURIO_API)
        return f"apicurio+{base}{path(self._group.name)}"

    async def get(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._http.run(self._group.get(ref))

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        text = str(schema_id)
        if not text.isdecimal():
            raise Unsupported(f"ids of Apicurio Registry are numbers, not {text[:40]!r}")
        return await self._http.run(self._group.get_by_id(int(text)))

    async def get_deleted(self, ref: SchemaRef) -> RegisteredSchema:
        """Apicurio shows the content of no version that is disabled."""
        return await self._http.run(self._group.get(ref, deleted=True))

    async def referenced_by(self, ref: SchemaRef) -> list[SchemaId]:
        return [*await self._http.run(self._group.referenced_by(ref))]

    async def subjects(self, *, deleted: bool = False) -> list[str]:
        return await self._http.run(self._group.subjects(deleted=deleted))

    async def latest(self) -> Latest | None:
        return await pages_of_latest(self.latest_page)

    async def latest_page(self, place: Any = None) -> Page[Latest] | None:
        return await self._latest.page(place)

    async def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        return await self._http.run(self._group.versions(subject, deleted=deleted))

    async def register(self, new: NewSchema, guard: Guard | None = None) -> RegisteredSchema:
        """Checked against what is there, without a lock; the server checks once more."""
        if new.compatibility is not None:
            new = replace(new, compatibility=check_level(new.compatibility))
        ledger = await self._http.run(self._group.history(new.subject))
        if ledger.entries:
            same = self._group.equal(new.subject, new.body, new.references)
            known = await self._http.run(same)
            if known is not None:
                return await self._with_level(known, new, ledger)
            number = ledger.number(new.version)
            if guard is not None and new.state != DRAFT:
                await self._check(replace(new, version=number), ledger, guard)
            if new.version is not None:
                new = replace(new, version=number)
        changes_level = new.compatibility not in (None, ledger.compatibility)
        if changes_level and ledger.entries:
            await self.set_compatibility(str(new.compatibility), new.subject)
        try:
            found = await self._http.run(self._group.register(new))
        except RegistryError:
            if changes_level and ledger.entries:
                await self._put_back(ledger)
            raise
        if changes_level and not ledger.entries:
            await self.set_compatibility(str(new.compatibility), new.subject)
        rules = ", ".join(rule.name for rule in new.rules)
        notes = (f"rules are not written to Apicurio Registry, so {rules} is not there",)
        return replace(found, notes=notes) if rules else found

    async def _with_level(
        self, known: RegisteredSchema, new: NewSchema, ledger: Ledger
    ) -> RegisteredSchema:
        if new.compatibility not in (None, ledger.compatibility):
            await self.set_compatibility(str(new.compatibility), new.subject)
        if known.state == DRAFT and new.state == ACTIVE:
            return await self._http.run(self._group.register(new))
        return known

    async def _put_back(self, ledger: Ledger) -> None:
        if ledger.compatibility is None:
            await self.reset_compatibility(ledger.subject)
        else:
            await self.set_compatibility(ledger.compatibility, ledger.subject)

    async def _check(self, new: NewSchema, ledger: Ledger, guard: Guard) -> None:
        level = new.compatibility or await self.get_compatibility(new.subject)
        assert new.version is not None  # noqa: S101 - numbered a moment ago
        below = ledger.below(new.version)
        looked_at = below if level.endswith("_TRANSITIVE") else below[-1:]
        live = [await self.get(SchemaRef(new.subject, entry.version)) for entry in looked_at]
        await asyncio.to_thread(guard, new, live, level)

    async def lookup(
        self,
        subject: str,
        body: JsonSchema,
        *,
        normalize: bool = False,  # noqa: ARG002 - contents are compared, not texts
    ) -> RegisteredSchema:
        return await self._http.run(self._group.lookup(subject, body))

    async def deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._http.run(self._group.deprecate(ref))

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:
        await self._http.run(self._group.delete(ref, permanent=permanent))

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[Version]:
        return await self._http.run(self._group.delete_subject(subject, permanent=permanent))

    async def get_compatibility(self, subject: str | None = None) -> str:
        return await self._http.run(self._group.level(subject))

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        await self._http.run(self._group.set_level(check_level(level), subject))

    async def reset_compatibility(self, subject: str) -> None:
        await self._http.run(self._group.reset_level(subject))

    async def ping(self) -> Mapping[str, Any]:
        return await self._http.run(self._group.ping())
