"""A contract as it is given: a reference, or a class or a schema that needs no registry."""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeAlias

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.class_schema import is_model, schema_of, subject_of
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.registry import Registry, connect, resolve_registry

__all__ = ["Contract", "contract_of"]

Contract: TypeAlias = str | SchemaRef | type[Any] | JsonSchema | PathLike[str]
"""What judges data: a reference to a version, a class, or a schema itself or its file."""


def contract_of(
    schema: Contract, registry: Registry | str | None = None
) -> tuple[SchemaRef, Registry]:
    """The reference to judge by and the registry to ask.

    A class, or a schema itself, is version 1 in a registry of its own.

    Raises:
        ConfigurationError: a class together with a registry, since only one of them can be meant.
        InvalidSchema: a class or a schema that nothing can be judged by.
    """
    if isinstance(schema, str | SchemaRef):
        return SchemaRef.parse(schema), resolve_registry(registry)
    is_class = is_model(schema)
    subject = subject_of(schema) if is_class else "schema"
    if registry is not None:
        raise ConfigurationError(
            "a class or a schema judges by itself: leave registry= out, or register it by "
            f"registry.register({subject!r}, …) and name its version, {subject + '@1'!r}"
        )
    private = connect("memory://")
    return private.register(subject, schema_of(schema)).ref, private
