"""What happened to a schema."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from llm_integrations.core.registry.reference import SchemaId

__all__ = ["SchemaEvent", "SchemaEventType", "event_id_of"]

_IDS = uuid.UUID("6a1f6f2e-3a9d-5b52-9b0b-0d4f6f7c2a11")


class SchemaEventType(StrEnum):
    REGISTERED = "registered"
    UPDATED = "updated"
    DEPRECATED = "deprecated"
    DELETED = "deleted"
    COMPATIBILITY_VIOLATED = "compatibility_violated"


def event_id_of(
    *,
    registry: str,
    event_type: SchemaEventType,
    subject: str,
    version: str,
    fingerprint: str = "",
    state: str = "",
) -> str:
    """The same id for the same change, whoever noticed it (a UUIDv5 in text form).

    ``registry`` is the registry's URL without credentials.
    """
    parts = (registry, str(event_type), subject, version, fingerprint, state)
    return str(uuid.uuid5(_IDS, "\x1f".join(parts)))


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SchemaEvent:
    """A change of one schema. Immutable.

    Attributes:
        event_id: the same for the same change, so that a repetition is recognised.
        event_type: what happened.
        schema_id: the registry's id; None for compatibility_violated.
        subject: the exact subject; ``namespace`` and ``name`` are a view of it.
        version: the version in text form, as the registry has it.
        previous_version: the version that was latest before, if there was one.
        timestamp: when, in UTC.
        metadata: owner, fingerprint, ``permanent`` for deletions, ``violations``, …
    """

    event_type: SchemaEventType
    schema_id: SchemaId | None
    subject: str
    version: str
    previous_version: str | None = None
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    timestamp: datetime = field(default_factory=_now)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """What stands before the subject's last dot; empty without one."""
        return self.subject.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.subject.rpartition(".")[2]

    @classmethod
    def registered(
        cls, schema_id: SchemaId, namespace: str, name: str, version: str | int, **rest: Any
    ) -> Self:
        """The first version of a subject."""
        return cls(
            SchemaEventType.REGISTERED, schema_id, _subject(namespace, name), str(version), **rest
        )

    @classmethod
    def updated(
        cls,
        schema_id: SchemaId,
        namespace: str,
        name: str,
        version: str | int,
        previous_version: str | int | None = None,
        **rest: Any,
    ) -> Self:
        """A later version of a subject."""
        previous = None if previous_version is None else str(previous_version)
        return cls(
            SchemaEventType.UPDATED,
            schema_id,
            _subject(namespace, name),
            str(version),
            previous,
            **rest,
        )

    @classmethod
    def deprecated(
        cls, schema_id: SchemaId, namespace: str, name: str, version: str | int, **rest: Any
    ) -> Self:
        return cls(
            SchemaEventType.DEPRECATED, schema_id, _subject(namespace, name), str(version), **rest
        )

    @classmethod
    def deleted(
        cls,
        schema_id: SchemaId | None,
        namespace: str,
        name: str,
        version: str | int,
        *,
        permanent: bool = False,
        **rest: Any,
    ) -> Self:
        event = cls(
            SchemaEventType.DELETED, schema_id, _subject(namespace, name), str(version), **rest
        )
        return replace(event, metadata={**event.metadata, "permanent": permanent})

    @classmethod
    def compatibility_violated(
        cls,
        schema_id: None,  # noqa: ARG003 - the constructors share one signature
        namespace: str,
        name: str,
        version: str | int,
        violations: Sequence[str],
        **rest: Any,
    ) -> Self:
        """A registration that was refused, so it has no id; ``violations`` say why."""
        event = cls(
            SchemaEventType.COMPATIBILITY_VIOLATED,
            None,
            _subject(namespace, name),
            str(version),
            **rest,
        )
        return replace(event, metadata={**event.metadata, "violations": list(violations)})


def _subject(namespace: str, name: str) -> str:
    return f"{namespace}.{name}" if namespace else name
