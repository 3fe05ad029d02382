"""AWS Glue Schema Registries (``glue://region/registry``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_integrations.core.config import TLSOptions
from llm_integrations.core.errors import SchemaNotFound, Unsupported
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import (
    ACTIVE,
    JsonSchema,
    RegisteredSchema,
    fingerprint_of,
)
from llm_integrations.core.registry.backend import Guard, NewSchema, RegistryBackend
from llm_integrations.core.registry.glue.protocol import GlueRegistry
from llm_integrations.core.registry.glue.signing import Signer, endpoint_of
from llm_integrations.core.registry.http.client import HttpClient
from llm_integrations.core.registry.local.ledger import check_level

__all__ = ["GlueBackend"]


class GlueBackend(RegistryBackend):
    """RegistryBackend over AWS Glue.

    Glue checks compatibility when a version is registered; here it is checked before as well, so
    that a refusal says why.

    Args:
        region, name: of the registry.
        timeout: seconds for one request.
    """

    def __init__(
        self,
        region: str,
        name: str,
        *,
        tls: TLSOptions | None = None,
        proxy: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._url = f"glue://{region}/{name}"
        self._glue = GlueRegistry(name)
        self._http = HttpClient(
            endpoint_of(region),
            media_type="application/x-amz-json-1.1",
            tls=tls,
            proxy=proxy,
            timeout=timeout,
            sign=Signer(region).sign,
        )

    @property
    def url(self) -> str:
        return self._url

    async def get(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._http.run(self._glue.get(ref))

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return await self._http.run(self._glue.get_by_id(str(schema_id)))

    async def subjects(self, *, deleted: bool = False) -> list[str]:  # noqa: ARG002 - none are
        return await self._http.run(self._glue.subjects())

    async def versions(
        self,
        subject: str,
        *,
        deleted: bool = False,  # noqa: ARG002 - none are
    ) -> list[Version]:
        return await self._http.run(self._glue.versions(subject))

    async def register(
        self,
        new: NewSchema,
        guard: Guard | None = None,
    ) -> RegisteredSchema:
        """Checked against what is there, without a lock; Glue checks once more."""
        if new.version is not None:
            raise Unsupported("AWS Glue numbers its versions itself: leave version out")
        if new.state != ACTIVE or new.references:
            raise Unsupported("AWS Glue has neither states nor references of JSON Schemas")
        if new.compatibility is not None:
            new = replace(new, compatibility=check_level(new.compatibility))
        if guard is not None:
            await self._check(new, guard)
        found = await self._http.run(self._glue.register(new))
        names = ", ".join(sorted(new.metadata))
        notes = (f"metadata is not written to AWS Glue, so {names} is not there",)
        return replace(found, notes=notes) if names else found

    async def _check(self, new: NewSchema, guard: Guard) -> None:
        try:
            level = new.compatibility or await self.get_compatibility(new.subject)
            versions = await self.versions(new.subject)
        except SchemaNotFound:
            return
        looked_at = versions if level.endswith("_TRANSITIVE") else versions[-1:]
        live = [await self.get(SchemaRef(new.subject, version)) for version in looked_at]
        if all(schema.fingerprint != fingerprint_of(new.body) for schema in live):
            await asyncio.to_thread(guard, new, live, level)

    async def lookup(
        self,
        subject: str,
        body: JsonSchema,
        *,
        normalize: bool = False,  # noqa: ARG002 - Glue has no normal form
    ) -> RegisteredSchema:
        return await self._http.run(self._glue.lookup(subject, body))

    async def get_compatibility(self, subject: str | None = None) -> str:
        if subject is None:
            raise Unsupported("AWS Glue keeps a level for each schema, none for the registry")
        return await self._http.run(self._glue.level(subject))

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        if subject is None:
            raise Unsupported("AWS Glue keeps a level for each schema, none for the registry")
        await self._http.run(self._glue.set_level(subject, check_level(level)))

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:
        _must_be_permanent(permanent)
        await self._http.run(self._glue.delete(ref))

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[Version]:
        _must_be_permanent(permanent)
        return await self._http.run(self._glue.delete_subject(subject))

    async def ping(self) -> Mapping[str, Any]:
        return await self._http.run(self._glue.ping())

    async def close(self) -> None:
        await self._http.close()


def _must_be_permanent(permanent: bool) -> None:
    if not permanent:
        raise Unsupported("AWS Glue deletes for good only: say permanent=True")
