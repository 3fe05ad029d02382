"""A schema to compare, with what its references need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from llm_integrations.core.model.class_schema import schema_of
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.model.schema import RegisteredSchema

__all__ = ["SchemaSource", "Source", "source_of"]


@dataclass(frozen=True)
class Source:
    """A schema and the documents that its ``$ref``s name by URI.

    Attributes:
        body: the JSON Schema.
        resources: URI (as the ``$ref`` has it, without fragment) to the schema behind it.
        name: what people call it, as ``user-profile@2``; empty when unknown.
    """

    body: JsonSchema
    resources: Mapping[str, JsonSchema] = field(default_factory=dict)
    name: str = ""


SchemaSource: TypeAlias = JsonSchema | RegisteredSchema | Source | type[Any]
"""What the functions of this package take as a schema: also a class that has one, as a pydantic
model."""


def source_of(schema: SchemaSource, resources: Mapping[str, JsonSchema] | None = None) -> Source:
    """Bring the four forms to one; ``resources`` joins what the source itself has.

    Raises:
        InvalidSchema: for something that is no JSON Schema.
    """
    premises = dict(resources or {})
    if isinstance(schema, Source):
        return Source(schema.body, {**premises, **schema.resources}, schema.name)
    if isinstance(schema, RegisteredSchema):
        return Source(schema.body, premises, str(schema))
    return Source(schema_of(schema), premises)
