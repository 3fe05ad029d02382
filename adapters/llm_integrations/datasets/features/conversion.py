"""Converting JSON Schema to Features and back; what either cannot say is a Loss."""

from __future__ import annotations

from typing import Any, TypeAlias

from datasets import Features
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.registry import RegisteredSchema, Registry, SchemaRef, resolve_registry
from llm_integrations.datasets.features.losses import Loss, Losses
from llm_integrations.datasets.features.to_features import features_of
from llm_integrations.datasets.features.to_schema import object_schema

__all__ = [
    "Schema",
    "conversion_losses",
    "documents_of",
    "features_from_schema",
    "schema_from_features",
]

Schema: TypeAlias = str | SchemaRef | RegisteredSchema | JsonSchema


def documents_of(schema: Schema, registry: Registry | str | None) -> Documents:
    """A JSON Schema, or the one that a reference names, with the schemas that it refers to.

    Without a registry, a RegisteredSchema comes alone.
    """
    if isinstance(schema, dict | bool):
        return Documents(schema)
    if not isinstance(schema, RegisteredSchema):
        registry = resolve_registry(registry)
        schema = registry.get(schema)
    if registry is None or not schema.references:
        return Documents(schema.body)
    validator = resolve_registry(registry).validator_for(schema)
    return Documents(validator.body, validator.resources)


def features_from_schema(schema: Schema, *, registry: Registry | str | None = None) -> Features:
    """The Features of rows that a schema describes, as for ``Dataset.cast``.

    A property that no single column type holds becomes ``Json()``. ``conversion_losses`` names what
    features cannot say.

    Args:
        schema: a JSON Schema, or a reference as ``training-row@1``.
        registry: where a reference is looked up, and what the schema refers to.

    Raises:
        ConfigurationError: its rows are no objects, or it declares no properties.
    """
    return features_of(documents_of(schema, registry), Losses())


def schema_from_features(features: Features) -> dict[str, Any]:
    """The JSON Schema of rows with these Features: these columns, no others, none required.

    ``features_from_schema`` gives the same Features back unless ``conversion_losses`` says why not.
    """
    return object_schema(features, "", Losses())


def conversion_losses(
    source: Features | Schema, *, registry: Registry | str | None = None
) -> tuple[Loss, ...]:
    """What is lost when Features become a schema, or a schema becomes Features; empty if nothing.

    Raises:
        ConfigurationError: see ``features_from_schema``.
    """
    losses = Losses()
    if isinstance(source, Features):
        object_schema(source, "", losses)
    else:
        features_of(documents_of(source, registry), losses)
    return losses.all()
