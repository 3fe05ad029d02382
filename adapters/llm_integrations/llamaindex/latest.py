"""What is in force at the registry itself: a cache may serve an old copy for a moment longer."""

from __future__ import annotations

from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.model.reference import version_key
from llm_integrations.core.model.schema import DELETED, DRAFT, RegisteredSchema
from llm_integrations.core.registry import Registry, SchemaRef
from llm_integrations.core.stamp import InForce
from llm_integrations.llamaindex.transform import SchemaTransform

__all__ = ["in_force_now"]


async def in_force_now(transform: SchemaTransform) -> InForce | None:
    """The version that a transform's reference means now; None when there is none left.

    Raises:
        RegistryError: when the registry cannot tell; the event is delivered again then.
    """
    registry, ref = transform.client, SchemaRef.parse(transform.schema_ref)
    try:
        schema = await (_latest(registry, ref.subject) if ref.is_latest else registry.aio.get(ref))
    except SchemaNotFound:
        return None
    if schema is None:
        return None
    validator = await registry.aio.validator_for(schema, options=transform.options)
    return InForce(validator, schema.id)


async def _latest(registry: Registry, subject: str) -> RegisteredSchema | None:
    for version in sorted(await registry.aio.versions(subject), key=version_key, reverse=True):
        ref = SchemaRef(subject, version)
        schema = await registry.aio.get(ref)
        if not ref.is_prerelease and schema.state not in (DRAFT, DELETED):
            return schema
    return None
