"""What the cache holds for one reference, and whether that may be served."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Final

from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.model.schema import DELETED, DRAFT, RegisteredSchema

if TYPE_CHECKING:
    from llm_integrations.core.config import ValidationOptions
    from llm_integrations.core.validation import Validator

__all__ = [
    "NEVER",
    "CacheEntry",
    "Decision",
    "NegativeEntry",
    "decide",
    "may_mean",
    "same_version",
    "supersedes",
]

NEVER: Final = -math.inf


class CacheEntry:
    """A copy of a schema, and the validators compiled from it (None: by the client's options).

    Times are in seconds of one monotonic clock: until ``fresh_until`` it is served as it is, until
    ``wait_from`` at once with a refresh behind it, until ``stale_until`` if the refresh brings
    nothing. ``refresh_at`` is when the next refresh may be tried after one that failed.

    ``ref`` is None for what was asked for by id. ``rejected`` says why the registry's last answer
    did not replace this copy.
    """

    __slots__ = (
        "fresh_until",
        "key",
        "ref",
        "refresh_at",
        "rejected",
        "schema",
        "stale_until",
        "validators",
        "wait_from",
    )

    def __init__(
        self,
        key: str,
        ref: SchemaRef | None,
        schema: RegisteredSchema,
        *,
        fresh_until: float = NEVER,
        stale_until: float = NEVER,
    ) -> None:
        self.key = key
        self.ref = ref
        self.schema = schema
        self.fresh_until = fresh_until
        self.stale_until = stale_until
        self.wait_from = NEVER
        self.refresh_at = NEVER
        self.rejected: str | None = None
        self.validators: dict[ValidationOptions | None, Validator] = {}

    @property
    def subject(self) -> str | None:
        return self.schema.subject if self.ref is None else self.ref.subject

    @property
    def is_exact(self) -> bool:
        """Whether it is one version for ever, whose body cannot change."""
        return self.ref is None or not self.ref.is_latest

    def concerns(self, version: Version | None) -> bool:
        """Whether a change of that version (None: of any) can change what this reference means."""
        return self.holds(version) if self.ref is None else may_mean(self.ref, version)

    @property
    def has_failed(self) -> bool:
        """Whether the last refresh did: then one reader waits for the next, and no other."""
        return self.refresh_at > NEVER

    def holds(self, version: Version | None) -> bool:
        """Whether the schema kept here is of that version (None: any)."""
        if version is None or self.schema.version is None:
            return True
        return same_version(self.schema.version, version)

    def mark_stale(self, wait_from: float | None = None) -> None:
        """Not fresh from now on; ``wait_from`` None leaves it when readers begin to wait."""
        self.fresh_until = self.refresh_at = NEVER
        if wait_from is not None:
            self.wait_from = wait_from


class NegativeEntry:
    """That the registry does not have a schema; believed for a while."""

    __slots__ = ("error", "key", "ref", "until")

    def __init__(
        self, key: str, ref: SchemaRef | None, error: SchemaNotFound, until: float
    ) -> None:
        self.key = key
        self.ref = ref
        self.error = error
        self.until = until

    @property
    def subject(self) -> str | None:
        return None if self.ref is None else self.ref.subject


class Decision(Enum):
    """How the cache serves a read."""

    FRESH = "serve the copy"
    STALE = "serve the copy; a refresh is not due yet"
    REFRESH = "serve the copy, and fetch a new one behind it"
    WAIT = "fetch a new one and wait a little, then serve the copy"
    UNKNOWN = "raise SchemaNotFound again"
    FETCH = "fetch it and wait"


def decide(entry: CacheEntry | NegativeEntry | None, now: float) -> Decision:
    """What a read of this entry gets, at a time of the cache's clock."""
    if isinstance(entry, CacheEntry):
        if now < entry.fresh_until:
            return Decision.FRESH
        if now < entry.stale_until:
            if now < entry.refresh_at:
                return Decision.STALE
            return Decision.REFRESH if now < entry.wait_from else Decision.WAIT
    elif entry is not None and now < entry.until:
        return Decision.UNKNOWN
    return Decision.FETCH


def same_version(one: Version, other: Version) -> bool:
    """Whether two exact versions are the same one; 2 and 2.0.0 are."""
    return version_key(one) == version_key(other)


def may_mean(ref: SchemaRef, version: Version | None) -> bool:
    """Whether a reference to the same subject can mean that version (None: any)."""
    return version is None or ref.is_latest or same_version(ref.version, version)


def supersedes(schema: RegisteredSchema, latest: RegisteredSchema) -> bool:
    """Whether a schema that was just written is the latest now."""
    if schema.state in (DRAFT, DELETED) or schema.ref.is_prerelease:
        return False
    if latest.version is None or schema.version is None:
        return True
    return version_key(schema.version) >= version_key(latest.version)
