"""LLM Schema Registries (``llm+http://``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llm_integrations.core.config import Auth, TLSOptions
from llm_integrations.core.errors import Unsupported
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.backend import Guard, NewSchema
from llm_integrations.core.registry.http.client import HttpClient
from llm_integrations.core.registry.llm_registry import protocol
from llm_integrations.core.registry.llm_registry.protocol import History
from llm_integrations.core.registry.local.ledger import DEFAULT_COMPATIBILITY

__all__ = ["LLMRegistryBackend"]

_log = get_logger(__name__)


class LLMRegistryBackend:
    """RegistryBackend over the LLM Schema Registry's HTTP API.

    Args:
        urls: base URLs of one registry, tried in order.
        timeout: seconds for one request.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        auth: Auth | None = None,
        tls: TLSOptions | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._http = HttpClient(urls, auth=auth, tls=tls, timeout=timeout)

    @property
    def url(self) -> str:
        return f"llm+{self._http.urls[0]}"

    @property
    def checks_compatibility(self) -> bool:
        return False

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

    async def lookup(self, subject: str, body: JsonSchema) -> RegisteredSchema:
        return await self._http.run(protocol.lookup(subject, body))

    async def get_compatibility(self, subject: str | None = None) -> str:
        if subject is None:
            return DEFAULT_COMPATIBILITY
        return await self._http.run(protocol.level(subject))

    async def set_compatibility(
        self,
        level: str,  # noqa: ARG002 - the protocol's signature
        subject: str | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> None:
        raise Unsupported(
            "an LLM Schema Registry keeps the level with each version: register(compatibility=…)"
        )

    async def ask_compatibility(
        self,
        new: NewSchema,  # noqa: ARG002 - the protocol's signature
        level: str | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> tuple[bool, tuple[str, ...]]:
        raise Unsupported("an LLM Schema Registry has no verdict of its own: check locally")

    async def deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        raise Unsupported(f"an LLM Schema Registry cannot deprecate {ref}")

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:  # noqa: ARG002 - same
        raise Unsupported(f"an LLM Schema Registry cannot delete {ref}")

    async def delete_subject(
        self,
        subject: str,
        *,
        permanent: bool = False,  # noqa: ARG002 - the protocol's signature
    ) -> list[Version]:
        raise Unsupported(f"an LLM Schema Registry cannot delete {subject!r}")

    async def latest(self) -> Mapping[str, RegisteredSchema] | None:
        return None

    async def ping(self) -> Mapping[str, Any]:
        return await self._http.run(protocol.ping())

    async def close(self) -> None:
        await self._http.close()
