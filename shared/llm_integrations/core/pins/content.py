"""The content of a pinned schema: its own, and that of every schema that it refers to."""

from __future__ import annotations

from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.pins.model import Pin
from llm_integrations.core.registry import Registry, SchemaRef

__all__ = ["changed_since", "pin_to"]


def pin_to(registry: Registry, reference: str | SchemaRef) -> Pin:
    """The exact version that a reference means now, with what it refers to.

    Raises:
        RegistryError: one of them is not there, or the registry is not.
    """
    schema = registry.get(reference)
    return Pin.to(schema, _referred(registry, schema))


def changed_since(registry: Registry, pin: Pin) -> str | None:
    """Why a pinned schema no longer says what it said; None if it does."""
    try:
        schema = registry.get(pin.ref)
    except SchemaNotFound:
        return f"{pin.ref} is no longer in the registry"
    if schema.fingerprint != pin.fingerprint:
        return f"{pin.ref} says something else than when pinned"
    try:
        now = _referred(registry, schema)
    except SchemaNotFound as error:
        return f"{pin.ref} refers to what is no longer in the registry: {error}"
    for reference, fingerprint in pin.references.items():
        if now.get(reference) != fingerprint:
            return f"{pin.ref} refers to {reference}, which says something else than when pinned"
    return None


def _referred(registry: Registry, schema: RegisteredSchema) -> dict[str, str]:
    """The fingerprints of the schemas that one refers to, at any depth, by ``subject@version``."""
    found: dict[str, str] = {}
    ahead = list(schema.references)
    while ahead:
        each = ahead.pop()
        reference = SchemaRef(each.subject, each.version)
        if str(reference) not in found:
            other = registry.get(reference)
            found[str(reference)] = other.fingerprint
            ahead += other.references
    return found
