"""Pins: for each benchmark the exact schemas of its cases, results and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, get_args

from llm_integrations.core.config import check_choice
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.model.reference import SchemaRef, Version, parse_version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.pins.inputs import Inputs

__all__ = ["ROLES", "BenchmarkPin", "Pin", "Role", "check_role"]

Role = Literal["case", "result", "metric"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


def check_role(name: str) -> Role:
    check_choice("a pin's role", name, Role)
    return name  # type: ignore[return-value] # it is one of them


@dataclass(frozen=True, slots=True)
class Pin:
    """One exact version of one subject, and the SHA-256 of what it said when it was pinned.

    Attributes:
        references: the same of each schema that it refers to, by ``subject@version``.
    """

    subject: str
    version: Version
    fingerprint: str
    references: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def to(cls, schema: RegisteredSchema, references: Mapping[str, str] | None = None) -> Self:
        ref = schema.ref
        return cls(ref.subject, ref.version, schema.fingerprint, dict(references or {}))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """ConfigurationError when a field is missing or of another type."""
        try:
            subject, fingerprint = document["subject"], document["fingerprint"]
            version = parse_version(document["version"])
            references = document.get("references", {})
        except KeyError as error:
            raise ConfigurationError(f"a pin lacks {error}") from None
        if not isinstance(subject, str) or not isinstance(fingerprint, str):
            raise ConfigurationError("a pin's subject and fingerprint are text")
        if not isinstance(references, Mapping):
            raise ConfigurationError("a pin's references map schemas to fingerprints")
        return cls(subject, version, fingerprint, dict(references))

    def to_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "version": self.version,
            "fingerprint": self.fingerprint,
            **({"references": dict(self.references)} if self.references else {}),
        }

    @property
    def ref(self) -> SchemaRef:
        return SchemaRef(self.subject, self.version)

    def refers_to(self, subject: str) -> list[SchemaRef]:
        """The exact versions of a subject that the schema refers to."""
        referred = map(SchemaRef.parse, self.references)
        return [reference for reference in referred if reference.subject == subject]

    def __str__(self) -> str:
        return f"{self.ref} ({self.fingerprint[:12]})"


@dataclass(frozen=True, slots=True)
class BenchmarkPin:
    """The pins of one benchmark, by role.

    Attributes:
        inputs: by task what else its scores depend on; a group or a pattern has several tasks.
    """

    name: str
    pins: Mapping[Role, Pin] = field(default_factory=dict)
    inputs: Mapping[str, Inputs] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[Role, Pin]]:
        return ((role, self.pins[role]) for role in ROLES if role in self.pins)

    def uses(self, subject: str) -> bool:
        return any(p.subject == subject or p.refers_to(subject) for p in self.pins.values())
