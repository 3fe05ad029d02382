"""LLM Schema Registries (``llm+http://``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_integrations.core.errors import Unsupported
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.backend import Guard, NewSchema
from llm_integrations.core.registry.http.backend import HttpBackend
from llm_integrations.core.registry.llm_registry import protocol
from llm_integrations.core.registry.llm_registry.protocol import History
from llm_integrations.core.registry.local.ledger import DEFAULT_COMPATIBILITY

__all__ = ["LLMRegistryBackend"]

_log = get_logger(__name__)


class LLMRegistryBackend(HttpBackend):
    """RegistryBackend over the LLM Schema Registry's HTTP API."""

    @property
    def url(self) -> str:
        return f"llm+{self._http.urls[0]}"

    async def get(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._http.run(protocol.get(ref))

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return await self._http.run(protocol.get_by_id(schema_id))

    async def subjects(self, *, deleted: bool = False) -> list[str]:  # noqa: ARG002 - none are
        return await self._http.run(protocol.subjects())

    async def versions(
        self,
        subject: str,
        *,
        deleted: bool = False,  # noqa: ARG002 - none are
    ) -> list[Version]:
        return await self._http.run(protocol.versions(subject))

    async def register(self, new: NewSchema, guard: Guard | None = None) -> RegisteredSchema:
        """Checked against what is there, where the server can tell it; it takes no lock."""
        known = await self._history(new.subject)
        equal = known.having(new.body) if known is not None else None
        if equal is not None:
            return equal
        level = new.compatibility or (known.level if known is not None else DEFAULT_COMPATIBILITY)
        if guard is not None and new.version is not None and known is not None:
            new = replace(new, version=protocol.semantic(new.version))
            assert new.version is not None  # noqa: S101 - for the type checker
            await asyncio.to_thread(guard, new, known.below(new.version), level)
        return await self._http.run(protocol.store(new, level))

    async def _history(self, subject: str) -> History | None:
        try:
            return await self._http.run(protocol.history(subject))
        except Unsupported:
            _log.warning(
                "registered without a compatibility check: the server cannot list versions",
                extra={"llmi_subject": subject},
            )
            return None

    async def lookup(
        self,
        subject: str,
        body: JsonSchema,
        *,
        normalize: bool = False,  # noqa: ARG002 - contents are compared, not texts
    ) -> RegisteredSchema:
        return await self._http.run(protocol.lookup(subject, body))

    async def get_compatibility(self, subject: str | None = None) -> str:
        if subject is None:
            return DEFAULT_COMPATIBILITY
        return await self._http.run(protocol.level(subject))

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        raise Unsupported(
            f"an LLM Schema Registry keeps the level of {subject} with each version: "
            f"register(compatibility={level!r})"
        )

    async def ping(self) -> Mapping[str, Any]:
        return await self._http.run(protocol.ping())
