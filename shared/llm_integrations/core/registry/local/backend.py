"""A registry in this process: the operations over any storage that can keep ledgers and bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ParamSpec, Protocol, TypeVar

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import (
    ACTIVE,
    DELETED,
    DEPRECATED,
    DRAFT,
    JsonSchema,
    RegisteredSchema,
    fingerprint_of,
)
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.backend import Guard, NewSchema, RegistryBackend
from llm_integrations.core.registry.local.ledger import (
    DEFAULT_COMPATIBILITY,
    Entry,
    Ledger,
    check_level,
    check_state,
    schema_id,
)

__all__ = ["LocalBackend", "Store", "as_json"]

P = ParamSpec("P")
T = TypeVar("T")

_log = get_logger(__name__)


class Store(Protocol):
    """Keeps ledgers and bodies. Reading needs no lock; every change happens under ``lock()``."""

    def lock(self) -> AbstractContextManager[object]: ...

    def subjects(self) -> Iterable[str]:
        """Every subject with a version, deleted or not."""
        ...

    def ledger(self, subject: str) -> Ledger:
        """Without entries for a subject that is not there."""
        ...

    def body(self, subject: str, version: Version) -> JsonSchema:
        """SchemaNotFound when it has just been removed."""
        ...

    def add(self, ledger: Ledger, version: Version, body: JsonSchema) -> None:
        """Keep a new version; the ledger holds it already."""
        ...

    def save(self, ledger: Ledger) -> None:
        """Keep changed states or a changed level."""
        ...

    def erase(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        """Remove versions for good; the ledger no longer holds them."""
        ...

    def level(self) -> str | None: ...

    def set_level(self, level: str) -> None: ...


def as_json(body: JsonSchema) -> JsonSchema:
    """A copy that shares nothing with the caller's and is what a reader of the JSON would get."""
    if not isinstance(body, dict | bool):
        raise InvalidSchema(f"a schema is an object or a boolean, not {type(body).__name__}")
    fingerprint_of(body)
    copied: JsonSchema = json.loads(json.dumps(body))
    return copied


class LocalBackend(RegistryBackend):
    """RegistryBackend over a Store. Subclasses say what may run on the event loop's thread."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def _read(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(work, *args, **kwargs)

    async def get(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._read(self._get, ref)

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return await asyncio.to_thread(self._get_by_id, schema_id)

    async def subjects(self, *, deleted: bool = False) -> list[str]:
        return await asyncio.to_thread(self._subjects, deleted)

    async def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        return await self._read(self._versions, subject, deleted)

    async def lookup(self, subject: str, body: JsonSchema) -> RegisteredSchema:
        return await asyncio.to_thread(self._lookup, subject, body)

    async def get_compatibility(self, subject: str | None = None) -> str:
        return await self._read(self._level, subject)

    async def latest(self) -> Mapping[str, RegisteredSchema] | None:
        return await asyncio.to_thread(self._all_latest)

    async def ping(self) -> Mapping[str, Any]:
        return {"subjects": len(await asyncio.to_thread(self._subjects, False))}

    async def register(self, new: NewSchema, guard: Guard | None = None) -> RegisteredSchema:
        return await asyncio.to_thread(self._register, new, guard)

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        await asyncio.to_thread(self._set_level, check_level(level), subject)

    async def deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        return await asyncio.to_thread(self._deprecate, ref)

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:
        await asyncio.to_thread(self._delete, ref, permanent)

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[Version]:
        return await asyncio.to_thread(self._delete_subject, subject, permanent)

    def _held(self, subject: str, entry: Entry) -> RegisteredSchema:
        return RegisteredSchema(
            id=schema_id(subject, entry.version),
            subject=subject,
            version=entry.version,
            body=self.store.body(subject, entry.version),
            references=entry.references,
            state=entry.state,
            metadata=entry.metadata,
        )

    def _get(self, ref: SchemaRef) -> RegisteredSchema:
        return self._held(ref.subject, self.store.ledger(ref.subject).find(ref))

    def _get_by_id(self, wanted: SchemaId) -> RegisteredSchema:
        """Deleted versions are found until they are gone for good: data may carry their id."""
        damage: RegistryError | None = None
        for subject in self.store.subjects():
            try:
                entries = self.store.ledger(subject).entries
            except RegistryError as error:
                damage = error
                continue
            for entry in entries:
                if schema_id(subject, entry.version) == wanted:
                    return self._held(subject, entry)
        raise damage or SchemaNotFound(f"no schema has the id {wanted}")

    def _subjects(self, deleted: bool) -> list[str]:
        every = sorted(self.store.subjects())
        return every if deleted else [name for name in every if self._is_shown(name)]

    def _is_shown(self, subject: str) -> bool:
        try:
            return bool(self.store.ledger(subject).live)
        except RegistryError:  # whoever asks for it is told what is wrong
            return True

    def _versions(self, subject: str, deleted: bool) -> list[Version]:
        return self.store.ledger(subject).versions(deleted=deleted)

    def _lookup(self, subject: str, body: JsonSchema) -> RegisteredSchema:
        ledger = self.store.ledger(subject)
        ledger.versions()
        wanted = fingerprint_of(body)
        found = ledger.having(lambda entry: self._fingerprint(subject, entry) == wanted)
        if found is None:
            raise SchemaNotFound(f"no version of {subject!r} has this content")
        return self._held(subject, found)

    def _fingerprint(self, subject: str, entry: Entry) -> str:
        return fingerprint_of(self.store.body(subject, entry.version))

    def _level(self, subject: str | None) -> str:
        own = self.store.ledger(subject).compatibility if subject is not None else None
        return own or self.store.level() or DEFAULT_COMPATIBILITY

    def _all_latest(self) -> dict[str, RegisteredSchema]:
        latest = {}
        for subject in self._subjects(False):
            try:
                latest[subject] = self._get(SchemaRef(subject))
            except SchemaNotFound:
                continue
            except RegistryError as error:
                # One damaged file must not hide what happens to all other subjects.
                _log.warning("subject left out: %s", error, extra={"llmi_subject": subject})
        return latest

    def _register(self, new: NewSchema, guard: Guard | None) -> RegisteredSchema:
        SchemaRef(new.subject)
        new = replace(new, body=as_json(new.body), state=check_state(new.state))
        level = check_level(new.compatibility) if new.compatibility is not None else None
        with self.store.lock():
            ledger = self.store.ledger(new.subject)
            ledger = replace(ledger, compatibility=level or ledger.compatibility)
            known = self._equal(ledger, new)
            if known is not None:
                return self._register_again(ledger, known, new, guard)
            return self._register_first(ledger, new, guard)

    def _equal(self, ledger: Ledger, new: NewSchema) -> Entry | None:
        wanted = fingerprint_of(new.body)
        return ledger.having(
            lambda entry: (
                entry.references == new.references
                and self._fingerprint(ledger.subject, entry) == wanted
            )
        )

    def _register_again(
        self, ledger: Ledger, known: Entry, new: NewSchema, guard: Guard | None
    ) -> RegisteredSchema:
        """Equal content is the version that has it; a draft can be released this way."""
        if known.state == DRAFT and new.state == ACTIVE:
            self._check(ledger, replace(new, version=known.version), guard)
            known = replace(known, state=ACTIVE)
        changed = ledger.with_entry(known)
        if changed != self.store.ledger(ledger.subject):
            self.store.save(changed)
        return self._held(ledger.subject, known)

    def _register_first(
        self, ledger: Ledger, new: NewSchema, guard: Guard | None
    ) -> RegisteredSchema:
        version = ledger.number(new.version)
        self._check(ledger, replace(new, version=version), guard)
        entry = Entry(version, new.state, _plain(new.metadata), tuple(new.references))
        self.store.add(ledger.with_entry(entry), version, new.body)
        return self._held(ledger.subject, entry)

    def _check(self, ledger: Ledger, new: NewSchema, guard: Guard | None) -> None:
        """Drafts are judged when they are released."""
        if guard is None or new.state == DRAFT or new.version is None:
            return
        level = ledger.compatibility or self.store.level() or DEFAULT_COMPATIBILITY
        before = [self._held(ledger.subject, entry) for entry in ledger.below(new.version)]
        guard(new, before, level)

    def _set_level(self, level: str, subject: str | None) -> None:
        with self.store.lock():
            if subject is None:
                return self.store.set_level(level)
            SchemaRef(subject)
            ledger = self.store.ledger(subject)
            return self.store.save(replace(ledger, compatibility=level))

    def _deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        with self.store.lock():
            ledger = self.store.ledger(ref.subject)
            entry = replace(ledger.exact(ref), state=DEPRECATED)
            self.store.save(ledger.with_entry(entry))
            return self._held(ref.subject, entry)

    def _delete(self, ref: SchemaRef, permanent: bool) -> None:
        with self.store.lock():
            ledger = self.store.ledger(ref.subject)
            if permanent:
                entry = ledger.exact(ref, deleted=True)
                return self.store.erase(ledger.without(entry.version), [entry.version])
            return self.store.save(ledger.with_state(ledger.exact(ref), DELETED))

    def _delete_subject(self, subject: str, permanent: bool) -> list[Version]:
        with self.store.lock():
            ledger = self.store.ledger(subject)
            versions = ledger.versions(deleted=permanent)
            if permanent:
                self.store.erase(ledger.without(*versions), versions)
                return versions
            for entry in ledger.live:
                ledger = ledger.with_state(entry, DELETED)
            self.store.save(ledger)
            return versions


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON would bring it back, so that every registry returns the same."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"metadata must be JSON ({type(error).__name__})") from None
    return plain
