"""A reference or an id: its key in the cache, and what is asked of a registry for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final, TypeAlias

from llm_integrations.core.errors import InvalidReference, RegistryProtocolError
from llm_integrations.core.model.reference import SchemaId, SchemaRef
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache.freshness import CacheEntry, same_version

__all__ = ["Ask", "ask_again", "ask_for", "ask_for_id", "id_key", "key_of"]

_LONGEST_ID: Final = 256  # characters; the longest known are UUIDs

Ask: TypeAlias = Callable[[RegistryBackend], Awaitable[RegisteredSchema]]


@lru_cache(maxsize=65_536)
def _parsed(reference: str | SchemaRef) -> tuple[str, SchemaRef]:
    ref = SchemaRef.parse(reference)
    return str(ref), ref


def key_of(reference: str | SchemaRef) -> tuple[str, SchemaRef]:
    """A reference's key, the same for all spellings, and the reference parsed.

    Raises:
        InvalidReference: for what is no reference.
    """
    try:
        return _parsed(reference)
    except TypeError:  # unhashable
        raise InvalidReference(
            f"a reference is text or a SchemaRef, not {type(reference).__name__}"
        ) from None


def id_key(schema_id: SchemaId) -> str:
    """No reference looks like this: a subject holds no control characters."""
    if isinstance(schema_id, bool) or not isinstance(schema_id, int | str):
        raise InvalidReference(f"an id is an integer or text, not {type(schema_id).__name__}")
    if not _can_be_an_id(schema_id):
        raise InvalidReference(
            "no registry gives out such an id: they are numbers of 64 bits, or up to "
            f"{_LONGEST_ID} printable characters"
        )
    return f"\x00{schema_id!r}"


def _can_be_an_id(schema_id: SchemaId) -> bool:
    if isinstance(schema_id, int):
        return -(2**63) <= schema_id < 2**64
    return len(schema_id) <= _LONGEST_ID and schema_id.isprintable()


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


def ask_again(entry: CacheEntry) -> Ask:
    """For what an entry is a copy of."""
    return ask_for_id(entry.schema.id) if entry.ref is None else ask_for(entry.ref)


def _is_meant(ref: SchemaRef, schema: RegisteredSchema) -> bool:
    if schema.subject != ref.subject or schema.version is None:
        return False
    if ref.is_latest or schema.version == ref.version:
        return True
    # 2 and 2.0.0 are the same version; 2.0.0+a and 2.0.0+b are not.
    is_other_style = type(schema.version) is not type(ref.version)
    return is_other_style and same_version(schema.version, ref.version)
