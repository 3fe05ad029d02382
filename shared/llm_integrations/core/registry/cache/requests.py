"""What is asked of a registry for a reference or an id, and whether the answer is for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from llm_integrations.core.errors import RegistryProtocolError
from llm_integrations.core.model.reference import SchemaId, SchemaRef
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache.freshness import same_version

__all__ = ["Ask", "ask_for", "ask_for_id"]

Ask: TypeAlias = Callable[[RegistryBackend], Awaitable[RegisteredSchema]]


def ask_for(ref: SchemaRef) -> Ask:
    """Raises RegistryProtocolError for an answer of another subject or version."""

    async def ask(backend: RegistryBackend) -> RegisteredSchema:
        schema = await backend.get(ref)
        if not _is_meant(ref, schema):
            raise RegistryProtocolError(f"{backend.url} was asked for {ref} and answered {schema}")
        return schema

    return ask


def ask_for_id(schema_id: SchemaId) -> Ask:
    """Raises RegistryProtocolError for an answer with another id."""

    async def ask(backend: RegistryBackend) -> RegisteredSchema:
        schema = await backend.get_by_id(schema_id)
        if str(schema.id).lower() != str(schema_id).lower():
            raise RegistryProtocolError(
                f"{backend.url} was asked for id {schema_id} and answered id {schema.id}"
            )
        return schema

    return ask


def _is_meant(ref: SchemaRef, schema: RegisteredSchema) -> bool:
    if schema.subject != ref.subject or schema.version is None:
        return False
    if ref.is_latest or schema.version == ref.version:
        return True
    # 2 and 2.0.0 are the same version; 2.0.0+a and 2.0.0+b are not.
    is_other_style = type(schema.version) is not type(ref.version)
    return is_other_style and same_version(schema.version, ref.version)
