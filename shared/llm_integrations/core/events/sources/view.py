"""A source's view of a registry, and the events between two views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from llm_integrations.core.model.changes import content_event, deleted_event, deprecated_event
from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.reference import SchemaId, Version, version_key
from llm_integrations.core.model.schema import DELETED, DEPRECATED, DRAFT, RegisteredSchema

__all__ = ["SeenVersion", "Versions", "View", "events_between"]


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """One version as it was last seen.

    Attributes:
        schema: where it was just read, fills in the event.
        mark: of a file, what the file system says of it as long as it is left alone.
    """

    version: Version
    schema_id: SchemaId | None
    fingerprint: str
    state: str
    schema: RegisteredSchema | None = field(default=None, compare=False, repr=False)
    mark: tuple[int, ...] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, schema: RegisteredSchema) -> Self:
        return cls(schema.ref.version, schema.id, schema.fingerprint, schema.state, schema)

    def without_schema(self) -> Self:
        if self.schema is None:
            return self
        kept = (self.version, self.schema_id, self.fingerprint, self.state)
        return type(self)(*kept, mark=self.mark)

    def shows(self, schema: RegisteredSchema) -> bool:
        """Whether the schema looks as it did."""
        if (self.version, self.schema_id, self.state) != (schema.version, schema.id, schema.state):
            return False
        if self.schema is not None:  # spares a fingerprint
            return self.schema.shared_body == schema.shared_body
        return self.fingerprint == schema.fingerprint

    @property
    def is_live(self) -> bool:
        return self.state != DELETED

    @property
    def is_released(self) -> bool:
        """Whether ``latest`` may mean it."""
        return self.is_live and self.state != DRAFT and version_key(self.version)[3] == 1


Versions: TypeAlias = Mapping[Version, SeenVersion]
"""What is known of one subject: its versions, softly deleted ones included."""


class View:
    """The known versions of all subjects.

    Kept as JSON: ``{subject: [[version, id, fingerprint, state], …]}``. The versions of a subject
    are replaced whole, never changed.
    """

    def __init__(self, subjects: Mapping[str, Versions] | None = None) -> None:
        self.subjects: dict[str, Versions] = dict(subjects or {})

    def of(self, subject: str) -> Versions:
        return self.subjects.get(subject, {})

    def put(self, subject: str, versions: Versions) -> None:
        if versions:
            self.subjects[subject] = versions
        else:
            self.subjects.pop(subject, None)

    def beside(self, other: View) -> View:
        """This view and the versions that only the other has."""
        both = View(self.subjects)
        for subject, versions in other.subjects.items():
            both.put(subject, {**versions, **self.of(subject)})
        return both

    def without(self, other: View) -> View:
        """This view without the versions that the other has."""
        rest = View()
        for subject, versions in self.subjects.items():
            there = other.of(subject)
            rest.put(subject, {v: seen for v, seen in versions.items() if v not in there})
        return rest

    def changes_since(self, other: View) -> dict[str, Any]:
        """The subjects that differ from the other view, as JSON; None for one that is gone."""
        subjects = {s: v for s, v in self.subjects.items() if other.subjects.get(s) is not v}
        changed: dict[str, Any] = {
            subject: [[v.version, v.schema_id, v.fingerprint, v.state] for v in versions.values()]
            for subject, versions in subjects.items()
        }
        return changed | dict.fromkeys(other.subjects.keys() - self.subjects.keys())

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(
            {
                subject: {row[0]: SeenVersion(*row) for row in rows}
                for subject, rows in content.items()
            }
        )


def events_between(
    registry: str, subject: str, before: Versions, after: Versions
) -> list[SchemaEvent]:
    """The events of a subject between two views, in the order of versions.

    ``registry`` is the registry's URL without credentials.
    """
    events = [
        deleted_event(registry, subject, gone.version, permanent=True, schema_id=gone.schema_id)
        for gone in _ordered(before.values())
        if gone.version not in after
    ]
    for now in _ordered(after.values()):
        event = _event(registry, subject, before.get(now.version), now, after)
        if event is not None:
            events.append(event)
    return events


def _event(
    registry: str, subject: str, then: SeenVersion | None, now: SeenVersion, versions: Versions
) -> SchemaEvent | None:
    if now == then:
        return None
    if not now.is_live:
        if then is None or not then.is_live:
            return None  # it came and went between two looks
        return deleted_event(
            registry, subject, now.version, permanent=False, schema_id=now.schema_id
        )
    if now.schema is None:
        return None
    changed = then is None or not then.is_live or then.fingerprint != now.fingerprint
    if now.state == DEPRECATED and not changed:
        return deprecated_event(registry, now.schema)
    return content_event(registry, now.schema, _previous(now, versions))


def _previous(now: SeenVersion, versions: Versions) -> Version | None:
    """The version that was latest before this one, if the subject had any."""
    key = version_key(now.version)
    earlier = [v for v in versions.values() if v.is_live and version_key(v.version) < key]
    released = [v for v in earlier if v.is_released]
    known = _ordered(released or earlier)
    return known[-1].version if known else None


def _ordered(versions: Iterable[SeenVersion]) -> list[SeenVersion]:
    return sorted(versions, key=lambda seen: (version_key(seen.version), str(seen.version)))
