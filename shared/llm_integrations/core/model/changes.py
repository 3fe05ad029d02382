"""The events of a registry's changes: one place, so that every observer computes the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_integrations.core.model.event import SchemaEvent, SchemaEventType

if TYPE_CHECKING:
    from llm_integrations.core.model.reference import SchemaId, Version
    from llm_integrations.core.model.schema import RegisteredSchema

__all__ = ["content_event", "deleted_event", "deprecated_event", "refused_event"]


def content_event(
    registry: str, schema: RegisteredSchema, previous: Version | None = None
) -> SchemaEvent:
    """A version came to be there: ``registered`` without a previous one, else ``updated``.

    ``registry`` is the registry's name in events (see ``Registry.identity``), here and below.
    """
    first = previous is None
    return _of_schema(
        SchemaEventType.REGISTERED if first else SchemaEventType.UPDATED,
        registry,
        schema,
        previous=previous,
    )


def deprecated_event(registry: str, schema: RegisteredSchema) -> SchemaEvent:
    return _of_schema(SchemaEventType.DEPRECATED, registry, schema)


def deleted_event(
    registry: str,
    subject: str,
    version: Version,
    *,
    permanent: bool,
    schema_id: SchemaId | None = None,
) -> SchemaEvent:
    """The id leaves the content out: whoever notices a deletion may never have seen it."""
    return SchemaEvent.deleted(
        schema_id, "", subject, version, permanent=permanent, metadata={"registry": registry}
    )


def refused_event(
    registry: str,
    subject: str,
    version: Version | None,
    *,
    fingerprint: str,
    violations: Sequence[str],
) -> SchemaEvent:
    """A registration was refused; ``version`` None becomes an empty text."""
    return SchemaEvent.compatibility_violated(
        None,
        "",
        subject,
        "" if version is None else version,
        violations,
        metadata={"registry": registry, "fingerprint": fingerprint},
    )


def _of_schema(
    event_type: SchemaEventType,
    registry: str,
    schema: RegisteredSchema,
    *,
    previous: Version | None = None,
) -> SchemaEvent:
    ref = schema.ref
    metadata: dict[str, Any] = {
        "registry": registry,
        "fingerprint": schema.fingerprint,
        "state": schema.state,
    }
    if schema.owner is not None:
        metadata["owner"] = schema.owner
    return SchemaEvent(
        event_type,
        schema.id,
        ref.subject,
        str(ref.version),
        None if previous is None else str(previous),
        metadata=metadata,
    )
