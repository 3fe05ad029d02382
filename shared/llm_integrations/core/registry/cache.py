"""What the cache decides. No I/O, no clock and no lock in here: the engine brings all three."""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from llm_integrations.core.config import CacheOptions
from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.registry.reference import SchemaId, SchemaRef, Version, version_key
from llm_integrations.core.registry.schema import DELETED, DRAFT, RegisteredSchema

if TYPE_CHECKING:
    from llm_integrations.core.config import ValidationOptions
    from llm_integrations.core.validation import Validator

__all__ = [
    "Answer",
    "Entry",
    "SchemaCache",
    "answer",
    "id_key",
    "may_mean",
    "ref_key",
    "same_version",
    "supersedes",
]

NEVER: Final = -math.inf


class Answer(Enum):
    """What to do with a request, given the entry that there is for it."""

    FRESH = "serve it"
    STALE = "serve it; a refresh is not due yet"
    REFRESH = "serve it, and fetch a new copy behind it"
    UNKNOWN = "say again that the registry does not know it"
    FETCH = "fetch it and wait"


class Entry:
    """What is known about one reference. ``schema`` None: the registry does not know it."""

    __slots__ = (
        "error",
        "fresh_until",
        "key",
        "ref",
        "refresh_at",
        "schema",
        "stale_until",
        "validators",
    )

    def __init__(
        self,
        key: str,
        ref: SchemaRef | None,
        schema: RegisteredSchema | None,
        *,
        fresh_until: float,
        stale_until: float = NEVER,
        error: SchemaNotFound | None = None,
    ) -> None:
        self.key = key
        self.ref = ref
        self.schema = schema
        self.error = error
        self.fresh_until = fresh_until
        self.stale_until = stale_until
        self.refresh_at = NEVER
        self.validators: dict[ValidationOptions | None, Validator] = {}

    @property
    def known(self) -> RegisteredSchema:
        """The schema. Nobody is handed an entry of something unknown."""
        if self.schema is None:
            raise SchemaNotFound(str(self.ref))
        return self.schema

    @property
    def subject(self) -> str | None:
        if self.ref is not None:
            return self.ref.subject
        return None if self.schema is None else self.schema.subject

    def concerns(self, version: Version | None) -> bool:
        """Whether a change of that version (None: of any) can change what is known here."""
        return self.ref is None or may_mean(self.ref, version)

    def holds(self, version: Version | None) -> bool:
        """Whether the schema kept here is of that version (None: any)."""
        if version is None or self.schema is None or self.schema.version is None:
            return True
        return same_version(self.schema.version, version)


def answer(entry: Entry | None, now: float) -> Answer:
    """The whole policy of the cache; times are in seconds of one monotonic clock."""
    if entry is None:
        return Answer.FETCH
    if now < entry.fresh_until:
        return Answer.UNKNOWN if entry.schema is None else Answer.FRESH
    if now >= entry.stale_until:
        return Answer.FETCH
    return Answer.STALE if now < entry.refresh_at else Answer.REFRESH


def same_version(one: Version, other: Version) -> bool:
    """Whether two exact versions are the same one; 2 and 2.0.0 are."""
    return version_key(one) == version_key(other)


def may_mean(ref: SchemaRef, version: Version | None) -> bool:
    """Whether a reference to the same subject can mean that version (None: any)."""
    return version is None or ref.is_latest or same_version(ref.version, version)


def supersedes(schema: RegisteredSchema, latest: RegisteredSchema | None) -> bool:
    """Whether a schema that was just written is the latest now."""
    if schema.state in (DRAFT, DELETED) or schema.ref.is_prerelease:
        return False
    if latest is None or latest.version is None or schema.version is None:
        return True
    return version_key(schema.version) >= version_key(latest.version)


@lru_cache(maxsize=65_536)
def ref_key(reference: str | SchemaRef) -> tuple[str, SchemaRef]:
    """A reference in its one spelling, and parsed."""
    ref = SchemaRef.parse(reference)
    return str(ref), ref


def id_key(schema_id: SchemaId) -> str:
    """No reference looks like this: a subject holds no control characters."""
    return f"\x00{schema_id!r}"


class _Table:
    """Entries by key, the least recently used first, and their keys by subject."""

    def __init__(self, maxsize: int) -> None:
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._maxsize = maxsize
        self._keys_of: dict[str, set[str]] = {}

    def put(self, entry: Entry) -> None:
        self.drop(entry.key)
        self.entries[entry.key] = entry
        if entry.subject is not None:
            self._keys_of.setdefault(entry.subject, set()).add(entry.key)
        if len(self.entries) > self._maxsize:
            self.drop(next(iter(self.entries)))

    def drop(self, key: str) -> None:
        entry = self.entries.pop(key, None)
        if entry is None or entry.subject is None:
            return
        keys = self._keys_of.get(entry.subject, set())
        keys.discard(key)
        if not keys:
            self._keys_of.pop(entry.subject, None)

    def of(self, subject: str | None) -> list[Entry]:
        """The entries of a subject (None: all)."""
        if subject is None:
            return list(self.entries.values())
        return [self.entries[key] for key in self._keys_of.get(subject, ())]

    def clear(self) -> None:
        self.entries.clear()
        self._keys_of.clear()


class SchemaCache:
    """What is known, and apart from it what is known to be unknown. Callers hold the lock.

    Apart, because anybody who can name subjects could otherwise push the known ones out.
    """

    def __init__(self, options: CacheOptions) -> None:
        self.options = options
        self._known = _Table(options.maxsize)
        self._unknown = _Table(options.maxsize)

    def __len__(self) -> int:
        return len(self._known.entries)

    def fresh(self, key: str, now: float) -> Entry | None:
        """The hot path: the entry if it may be served as it is."""
        entries = self._known.entries
        entry = entries.get(key)
        if entry is None or now >= entry.fresh_until:
            return None
        entries.move_to_end(key)
        return entry

    def touch(self, key: str) -> Entry | None:
        """The entry, which becomes the most recently used."""
        entry = self._known.entries.get(key)
        if entry is None:
            return self._unknown.entries.get(key)
        self._known.entries.move_to_end(key)
        return entry

    def peek(self, key: str) -> Entry | None:
        """The entry of something known, without counting as a use."""
        return self._known.entries.get(key)

    def store(
        self,
        key: str,
        ref: SchemaRef | None,
        schema: RegisteredSchema,
        now: float,
        *,
        fresh: bool = True,
    ) -> Entry:
        # The body of an exact version cannot change, so nothing but the LRU order drops it.
        lasting = ref is None or not ref.is_latest
        entry = Entry(
            key,
            ref,
            schema,
            fresh_until=now + self.options.ttl if fresh else NEVER,
            stale_until=math.inf if lasting else now + self.options.ttl + self.options.stale_ttl,
        )
        self._unknown.drop(key)
        self._known.put(entry)
        return entry

    def store_unknown(
        self, key: str, ref: SchemaRef | None, error: SchemaNotFound, now: float
    ) -> None:
        """Remember for a short while that the registry does not know it."""
        until = now + self.options.negative_ttl
        self._known.drop(key)
        self._unknown.put(Entry(key, ref, None, fresh_until=until, error=error))

    def pause_refresh(self, key: str, now: float) -> None:
        """After a failed refresh."""
        entry = self._known.entries.get(key)
        if entry is not None:
            entry.refresh_at = now + self.options.refresh_pause

    def mark_stale(self, subject: str | None, version: Version | None = None) -> None:
        """The next caller gets the copy and starts a refresh; the unknown is asked for again."""
        for entry in self._known.of(subject):
            if entry.concerns(version):
                entry.fresh_until = entry.refresh_at = NEVER
        self.forget_unknown(subject)

    def mark_latest_stale(self) -> None:
        """For when changes may have been missed."""
        for entry in self._known.of(None):
            if entry.ref is not None and entry.ref.is_latest:
                entry.fresh_until = entry.refresh_at = NEVER
        self.forget_unknown(None)

    def drop(self, subject: str, version: Version | None = None) -> None:
        """A deleted version (None: the whole subject) is served no more."""
        for entry in self._known.of(subject):
            if entry.holds(version):
                self._known.drop(entry.key)
        self.forget_unknown(subject)

    def drop_key(self, key: str) -> None:
        self._known.drop(key)
        self._unknown.drop(key)

    def clear(self) -> None:
        self._known.clear()
        self._unknown.clear()

    def forget_unknown(self, subject: str | None) -> None:
        """Something of the subject (None: of any) was written."""
        for entry in self._unknown.of(subject):
            self._unknown.drop(entry.key)
