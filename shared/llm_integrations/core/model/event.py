"""What happened to a schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from llm_integrations.core.errors import EventError
from llm_integrations.core.model.uuid5 import uuid5

if TYPE_CHECKING:  # at run time core.registry imports this module
    from llm_integrations.core.model.reference import SchemaId

__all__ = ["SchemaEvent", "SchemaEventType", "event_id_of"]

_IDS: Final = bytes.fromhex("6a1f6f2e3a9d5b529b0b0d4f6f7c2a11")


class SchemaEventType(StrEnum):
    """The five things that can happen."""

    REGISTERED = "registered"
    UPDATED = "updated"
    DEPRECATED = "deprecated"
    DELETED = "deleted"
    COMPATIBILITY_VIOLATED = "compatibility_violated"

    @property
    def brings_content(self) -> bool:
        """Whether a version's content came to be there: registered or updated."""
        return self in (SchemaEventType.REGISTERED, SchemaEventType.UPDATED)


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

    ``registry`` is the registry's name: what it was given or calls itself, else its URL without
    credentials. Registered and updated count as one
    here: whether a version was the first of its subject is not known to every observer.
    """
    kind = "registered" if event_type.brings_content else str(event_type)
    parts = (registry, kind, subject, version, fingerprint, state)
    try:
        return uuid5(_IDS, "\x1f".join(parts))
    except UnicodeEncodeError:
        raise EventError("an event's subject and version must be valid Unicode") from None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SchemaEvent:
    """A change of one schema. Immutable: never change ``metadata`` either, it is shared.

    Attributes:
        event_type: what happened.
        schema_id: the registry's id; None for compatibility_violated, and for a deletion whose
            observer does not know it.
        subject: the exact subject; ``namespace`` and ``name`` are a view of it.
        version: the version in text form, as the registry has it.
        previous_version: the version that was latest before, if there was one and it is known.
        event_id: the same for the same change, so that a repetition is recognised. Computed from
            the other fields and ``metadata`` (registry, fingerprint, state) unless given.
        timestamp: when, in UTC.
        metadata: registry (its name or URL), fingerprint, state, owner, ``permanent`` for
            deletions, ``violations`` for refused registrations, …
    """

    event_type: SchemaEventType
    schema_id: SchemaId | None
    subject: str
    version: str
    previous_version: str | None = None
    event_id: str = ""
    timestamp: datetime = field(default_factory=_now)
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.event_id:
            object.__setattr__(self, "event_id", self._computed_id())

    def _computed_id(self) -> str:
        known = {name: str(self.metadata.get(name) or "") for name in ("registry", "fingerprint")}
        return event_id_of(
            event_type=self.event_type,
            subject=self.subject,
            version=self.version,
            state=str(self.metadata.get("state") or ""),
            **known,
        )

    @property
    def namespace(self) -> str:
        """What stands before the subject's last dot; empty without one."""
        return self.subject.rpartition(".")[0]

    @property
    def name(self) -> str:
        """What stands after the subject's last dot; the whole subject without one."""
        return self.subject.rpartition(".")[2]

    @property
    def reference(self) -> str:
        """The exact reference, as ``com.example.user-profile@2``."""
        return f"{self.subject}@{self.version}"

    def __str__(self) -> str:
        return f"{self.reference} {self.event_type}"

    @classmethod
    def registered(
        cls, schema_id: SchemaId, namespace: str, name: str, version: str | int, **rest: Any
    ) -> Self:
        """The first version of a subject."""
        subject = _subject(namespace, name)
        return cls(SchemaEventType.REGISTERED, schema_id, subject, str(version), **rest)

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
        subject = _subject(namespace, name)
        previous = None if previous_version is None else str(previous_version)
        return cls(SchemaEventType.UPDATED, schema_id, subject, str(version), previous, **rest)

    @classmethod
    def deprecated(
        cls, schema_id: SchemaId, namespace: str, name: str, version: str | int, **rest: Any
    ) -> Self:
        """A version that should not be used any more, and still can be."""
        subject = _subject(namespace, name)
        return cls(SchemaEventType.DEPRECATED, schema_id, subject, str(version), **rest)

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
        """A version that is gone; ``metadata["permanent"]`` says whether for good."""
        # The two deletions of Confluent are two changes, so the state tells their ids apart.
        state = "PURGED" if permanent else "DELETED"
        rest["metadata"] = {"state": state, **rest.get("metadata", {}), "permanent": permanent}
        subject = _subject(namespace, name)
        return cls(SchemaEventType.DELETED, schema_id, subject, str(version), **rest)

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
        subject = _subject(namespace, name)
        event = cls(SchemaEventType.COMPATIBILITY_VIOLATED, None, subject, str(version), **rest)
        return replace(event, metadata={**event.metadata, "violations": list(violations)})


def _subject(namespace: str, name: str) -> str:
    return f"{namespace}.{name}" if namespace else name
