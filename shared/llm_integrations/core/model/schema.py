"""A schema as a registry holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from llm_integrations.core.errors import InvalidSchema
from llm_integrations.core.model.fingerprint import JsonSchema, fingerprint_of
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.rule import Rule

__all__ = [
    "ACTIVE",
    "DELETED",
    "DEPRECATED",
    "DRAFT",
    "JsonSchema",
    "RegisteredSchema",
    "Rule",
    "SchemaReference",
    "fingerprint_of",
]

DRAFT: Final = "DRAFT"
ACTIVE: Final = "ACTIVE"
DEPRECATED: Final = "DEPRECATED"
DELETED: Final = "DELETED"


@dataclass(frozen=True, slots=True)
class SchemaReference:
    """That a schema uses another one: the ``$ref`` it uses, and what it means in the registry."""

    name: str
    subject: str
    version: Version


@dataclass(frozen=True)
class RegisteredSchema:
    """One version of a subject. Shared by a cache: never change ``metadata``.

    Attributes:
        id: the registry's id: an int on Confluent, a UUID in text form elsewhere.
        subject: None when the schema was fetched by an id that names no subject.
        version: the version as the registry has it; None together with the subject.
        body: the JSON Schema; a new copy each time.
        references: the schemas that it refers to in the registry.
        state: DRAFT, ACTIVE, DEPRECATED, DELETED, or what else the registry says.
        metadata: owner, tags, and whatever people keep beside a schema.
        path_tags: the tags of paths within the data, as ``{"**.ssn": ("PII",)}``.
        rules: what must hold of data besides the JSON Schema (a registry's data contract).
        notes: what the registry did not do of what it was asked for, as keeping the metadata.
        fingerprint: SHA-256 (hex) of the body's canonical JSON.
    """

    id: SchemaId
    subject: str | None
    version: Version | None
    body: JsonSchema
    references: tuple[SchemaReference, ...] = ()
    state: str = ACTIVE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    path_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self.shared_body)

    @property
    def shared_body(self) -> JsonSchema:
        """``body`` itself, for readers that change nothing and keep nothing of it."""
        body: JsonSchema = self.__dict__["body"]
        return body

    @property
    def ref(self) -> SchemaRef:
        """The exact reference. Raises InvalidSchema for a schema known by its id alone."""
        if self.subject is None or self.version is None:
            raise InvalidSchema(f"schema id {self.id} belongs to no known subject")
        return SchemaRef(self.subject, self.version)

    @property
    def owner(self) -> str | None:
        owner = self.metadata.get("owner")
        return None if owner is None else str(owner)

    @property
    def tags(self) -> tuple[str, ...]:
        """Its own, then those of paths within it."""
        own = self.metadata.get("tags") or ()
        inside = (tag for tags in self.path_tags.values() for tag in tags)
        return tuple(dict.fromkeys([*map(str, own), *inside]))

    def __str__(self) -> str:
        known = self.subject is not None and self.version is not None
        return f"{self.subject}@{self.version}" if known else f"schema id {self.id}"


class _Copied:
    """The body of a schema: each reader gets a copy, since a cache shares what holds it."""

    def __get__(self, schema: RegisteredSchema | None, kind: type) -> Any:
        return self if schema is None else copy_of_json(schema.shared_body)

    def __set__(self, schema: RegisteredSchema, body: JsonSchema) -> None:
        schema.__dict__["body"] = body


RegisteredSchema.body = _Copied()  # type: ignore[assignment] # dataclass() would take it for a default


def copy_of_json(value: Any) -> Any:
    """A copy of JSON types, however deep."""
    holder = [value]
    waiting: list[tuple[Any, Any]] = [(holder, 0)]
    while waiting:
        container, key = waiting.pop()
        inner = container[key]
        if isinstance(inner, dict):
            container[key] = inner = dict(inner)
            waiting += [(inner, k) for k, v in inner.items() if isinstance(v, dict | list)]
        elif isinstance(inner, list):
            container[key] = inner = list(inner)
            waiting += [(inner, k) for k, v in enumerate(inner) if isinstance(v, dict | list)]
    return holder[0]
