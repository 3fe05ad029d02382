"""Registries that speak the Confluent API: Confluent's own, Karapace, Redpanda, Apicurio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.backend import Guard, Latest, NewSchema, Page
from llm_integrations.core.registry.confluent import reads, writes
from llm_integrations.core.registry.confluent.listing import LatestListing
from llm_integrations.core.registry.http.backend import HttpBackend
from llm_integrations.core.registry.listing.pages import pages_of_latest

__all__ = ["ConfluentBackend"]

_log = get_logger(__name__)


class ConfluentBackend(HttpBackend):
    """RegistryBackend over a Confluent-compatible HTTP API."""

    _told_of_metadata = False
    media_type = "application/vnd.schemaregistry.v1+json"

    def __init__(self, urls: str | Sequence[str], **options: Any) -> None:
        super().__init__(urls, **options)
        self._listing = LatestListing()

    @property
    def checks_compatibility(self) -> bool:
        return True

    async def get(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._http.run(reads.get(ref))

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return await self._http.run(reads.get_by_id(schema_id))

    async def subjects(self, *, deleted: bool = False) -> list[str]:
        return await self._http.run(reads.subjects(deleted))

    async def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        return await self._http.run(reads.versions(subject, deleted))

    async def register(
        self,
        new: NewSchema,
        guard: Guard | None = None,  # noqa: ARG002 - the server checks by itself
    ) -> RegisteredSchema:
        found = await self._http.run(writes.register(new))
        notes = writes.not_kept(new.metadata, found)
        if notes and not self._told_of_metadata:
            self._told_of_metadata = True
            _log.warning("%s: %s", self.url, notes[0], extra={"llmi_subject": new.subject})
        return replace(found, notes=notes)

    async def lookup(
        self, subject: str, body: JsonSchema, *, normalize: bool = False
    ) -> RegisteredSchema:
        return await self._http.run(reads.lookup(subject, body, normalize=normalize))

    async def get_deleted(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._http.run(reads.get_deleted(ref))

    async def referenced_by(self, ref: SchemaRef) -> list[SchemaId]:
        return await self._http.run(reads.referenced_by(ref))

    async def latest_with_metadata(
        self, subject: str, wanted: Mapping[str, Any]
    ) -> RegisteredSchema:
        found = await self._http.run(reads.latest_with_metadata(subject, wanted))
        return found or await super().latest_with_metadata(subject, wanted)

    async def get_mode(self, subject: str | None = None) -> str:
        return await self._http.run(reads.mode(subject))

    async def reset_compatibility(self, subject: str) -> None:
        await self._http.run(writes.reset_level(subject))

    async def get_compatibility(self, subject: str | None = None) -> str:
        return await self._http.run(reads.level(subject))

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        await self._http.run(writes.set_level(level, subject))

    async def ask_compatibility(
        self, new: NewSchema, level: str | None = None
    ) -> tuple[bool, tuple[str, ...]]:
        return await self._http.run(writes.ask_compatibility(new, level))

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:
        await self._http.run(writes.delete(ref, permanent))

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[Version]:
        return await self._http.run(writes.delete_subject(subject, permanent))

    async def latest(self) -> Latest | None:
        return await pages_of_latest(self.latest_page)

    async def latest_page(self, place: Any = None) -> Page[Latest] | None:
        return await self._http.run(self._listing.page(place))

    async def identity(self) -> str | None:
        return await self._http.run(reads.identity())

    async def ping(self) -> Mapping[str, Any]:
        return await self._http.run(reads.ping())
