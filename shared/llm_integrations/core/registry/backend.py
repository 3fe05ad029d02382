"""What the client asks of a registry, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from llm_integrations.core.errors import RegistryError, SchemaNotFound, Unsupported
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema, SchemaReference

__all__ = ["Guard", "Latest", "NewSchema", "Page", "RegistryBackend", "RegistryHealth"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewSchema:
    """A schema to be registered. ``version`` None lets the registry number it.

    ``compatibility`` sets the subject's level together with this registration; None leaves it.
    ``normalize`` asks a server that compares texts to compare them in its normal form.
    """

    subject: str
    body: JsonSchema
    version: Version | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[SchemaReference, ...] = ()
    compatibility: str | None = None
    state: str = "ACTIVE"
    rules: tuple[Rule, ...] = ()
    normalize: bool = False


Guard = Callable[[NewSchema, Sequence[RegisteredSchema], str], None]
"""Called with the new schema, the live versions (oldest first) and the level, while nobody else
can register; raises IncompatibleSchema to refuse. A registry that checks by itself ignores it."""


@dataclass(frozen=True, slots=True)
class RegistryHealth:
    """Attributes: ok, the state of the breaker (closed, half-open, open), and details."""

    ok: bool
    breaker: str = "closed"
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.ok


class Latest(dict[str, RegisteredSchema]):
    """The latest schema of each subject.

    Attributes:
        left_out: why a subject that is there has none here: its newest version is no JSON Schema,
            or what the registry has of it is damaged.
    """

    def __init__(self, schemas: Mapping[str, RegisteredSchema] | None = None) -> None:
        super().__init__(schemas or {})
        self.left_out: dict[str, RegistryError] = {}

    def add(self, more: Latest) -> None:
        self.update(more)
        self.left_out.update(more.left_out)

    def only(self, subjects: Collection[str]) -> Latest:
        wanted = Latest({name: self[name] for name in subjects if name in self})
        wanted.left_out = {s: e for s, e in self.left_out.items() if s in subjects}
        return wanted


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a long answer, small enough for one attempt.

    Attributes:
        place: where the next part begins, as only the backend reads it; None: this was the last.
        is_all: this part alone is the whole, whatever came before.
    """

    found: T
    place: Any = None
    is_all: bool = False


class RegistryBackend(Protocol):
    """One registry protocol. Every method is one attempt without cache, retry or breaker.

    Methods run on the client's background loop, many at once, and must not block it. They raise
    RegistryError subclasses only; RegistryUnavailable says whether another attempt can help.
    References passed in are exact or latest; a backend maps integer to semantic versions. What a
    registry cannot do is left as it is here.
    """

    @property
    def url(self) -> str:
        """Without credentials: a metric label, and part of every event's id unless the registry
        has a name of its own."""
        ...

    @property
    def checks_compatibility(self) -> bool:
        """Whether the server itself refuses incompatible schemas and can be asked about one."""
        return False

    async def get(self, ref: SchemaRef) -> RegisteredSchema: ...

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema: ...

    async def subjects(self, *, deleted: bool = False) -> list[str]: ...

    async def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """Ascending. SchemaNotFound for an unknown subject."""
        ...

    async def versions_if_any(self, subject: str) -> list[Version]:
        """As ``versions``; none of an unknown subject, for which nothing near is looked for."""
        try:
            return await self.versions(subject)
        except SchemaNotFound:
            return []

    async def register(self, new: NewSchema, guard: Guard | None = None) -> RegisteredSchema:
        """Equal content within a subject returns the version that has it."""
        ...

    async def lookup(
        self, subject: str, body: JsonSchema, *, normalize: bool = False
    ) -> RegisteredSchema:
        """The version of the subject that has this content, else SchemaNotFound."""
        ...

    async def get_deleted(self, ref: SchemaRef) -> RegisteredSchema:
        """An exact version, also one that was deleted softly."""
        raise _unsupported(self, f"show {ref} once it is deleted")

    async def referenced_by(self, ref: SchemaRef) -> list[SchemaId]:
        """The ids of the schemas that refer to an exact version."""
        raise _unsupported(self, f"tell what refers to {ref}")

    async def latest_with_metadata(
        self, subject: str, wanted: Mapping[str, Any]
    ) -> RegisteredSchema:
        """The newest version whose metadata has all of this, else SchemaNotFound."""
        for version in reversed(await self.versions(subject)):
            schema = await self.get(SchemaRef(subject, version))
            if all(schema.metadata.get(key) == value for key, value in wanted.items()):
                return schema
        raise SchemaNotFound(f"no version of {subject!r} has this metadata")

    async def get_mode(self, subject: str | None = None) -> str:
        """READWRITE, READONLY, or what else the registry says of itself or of a subject."""
        raise _unsupported(self, f"tell the mode of {subject or 'all subjects'}")

    async def get_compatibility(self, subject: str | None = None) -> str:
        """The level in force for a subject (None: the global one)."""
        ...

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        raise _unsupported(self, f"set the level of {subject or 'all subjects'} to {level}")

    async def reset_compatibility(self, subject: str) -> None:
        """From now on the registry's own level holds for the subject."""
        raise _unsupported(self, f"reset the level of {subject!r}")

    async def ask_compatibility(
        self, new: NewSchema, level: str | None = None
    ) -> tuple[bool, tuple[str, ...]]:
        """The server's own verdict and its messages."""
        raise _unsupported(self, f"judge {new.subject!r} by {level or 'its level'} itself")

    async def deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        raise _unsupported(self, f"deprecate {ref}")

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:  # noqa: ARG002 - same
        raise _unsupported(self, f"delete {ref}")

    async def delete_subject(
        self,
        subject: str,
        *,
        permanent: bool = False,  # noqa: ARG002 - the protocol's signature
    ) -> list[Version]:
        raise _unsupported(self, f"delete {subject!r}")

    async def latest(self) -> Latest | None:
        """The latest of all subjects, or None where they can be asked for one by one only."""
        return None

    async def identity(self) -> str | None:
        """What the registry calls itself, the same under each of its URLs; None if nothing."""
        return None

    async def latest_page(self, place: Any = None) -> Page[Latest] | None:  # noqa: ARG002 - one page
        """A part of ``latest``; ``place`` None is the first."""
        found = await self.latest()
        return None if found is None else Page(found)

    async def subjects_page(
        self,
        place: Any = None,  # noqa: ARG002 - one page
        *,
        deleted: bool = False,
    ) -> Page[list[str]]:
        """A part of ``subjects``; ``place`` None is the first."""
        return Page(await self.subjects(deleted=deleted))

    async def edited(self, subject: str | None = None) -> list[SchemaRef]:  # noqa: ARG002 - none here
        """Versions whose text was changed after they were published; servers do not let that be."""
        return []

    def nowhere(self) -> str:
        """The end of a sentence where there is no place that could hold a schema; else nothing."""
        return ""

    async def ping(self) -> Mapping[str, Any]:
        """One cheap request that shows whether the registry answers."""
        ...

    async def close(self) -> None:
        """Close connections; called once, on the loop that they were opened on."""
        return


def _unsupported(backend: RegistryBackend, what: str) -> Unsupported:
    return Unsupported(f"the registry at {backend.url} cannot {what}")
