"""Schema registries: one client, whatever protocol the registry speaks."""

from __future__ import annotations

from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import (
    JsonSchema,
    RegisteredSchema,
    SchemaReference,
    fingerprint_of,
)
from llm_integrations.core.registry.aio import AsyncRegistry
from llm_integrations.core.registry.backend import Latest, RegistryHealth
from llm_integrations.core.registry.client import Registry
from llm_integrations.core.registry.connect import connect, resolve_registry

__all__ = [
    "AsyncRegistry",
    "JsonSchema",
    "Latest",
    "RegisteredSchema",
    "Registry",
    "RegistryHealth",
    "SchemaId",
    "SchemaRef",
    "SchemaReference",
    "Version",
    "connect",
    "fingerprint_of",
    "resolve_registry",
]
