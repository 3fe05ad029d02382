"""A registry in this process: the operations over any storage that can keep ledgers and bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, ClassVar, Final, ParamSpec, TypeAlias, TypeVar

from llm_integrations.core.errors import (
    ConfigurationError,
    InvalidSchema,
    RegistryError,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version, version_key
from llm_integrations.core.model.schema import (
    ACTIVE,
    DELETED,
    DEPRECATED,
    DRAFT,
    JsonSchema,
    RegisteredSchema,
    SchemaReference,
    fingerprint_of,
)
from llm_integrations.core.registry.backend import Guard, Latest, NewSchema, Page, RegistryBackend
from llm_integrations.core.registry.listing.left_out import NamedOnce, latest_of_listed
from llm_integrations.core.registry.listing.near import UnknownSubject, what_is_there
from llm_integrations.core.registry.local.ledger import (
    DEFAULT_COMPATIBILITY,
    Entry,
    Ledger,
    check_level,
    check_state,
    schema_id,
)
from llm_integrations.core.registry.local.store import Store, Subject

__all__ = ["LocalBackend", "Store", "Subject", "as_json"]

P = ParamSpec("P")
T = TypeVar("T")

Names: TypeAlias = Sequence[str]

_LOOKED_AT: Final = 50  # subjects, to leave out deleted ones where a name is not found


def as_json(body: JsonSchema) -> JsonSchema:
    """A copy that shares nothing with the caller's and is what a reader of the JSON would get."""
    if not isinstance(body, dict | bool):
        raise InvalidSchema(f"a schema is an object or a boolean, not {type(body).__name__}")
    fingerprint_of(body)
    copied: JsonSchema = json.loads(json.dumps(body))
    return copied


class LocalBackend(RegistryBackend):
    """RegistryBackend over a Store. Subclasses say what runs on which thread."""

    page: ClassVar = 1_000
    """Subjects that one call with its deadline reads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._named = NamedOnce()

    async def _in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(work, *args, **kwargs)

    async def _read(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(work, *args, **kwargs)

    async def get(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._read(self._get, ref)

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return await self._in_thread(self._get_by_id, schema_id)

    async def subjects(self, *, deleted: bool = False) -> list[str]:
        return await self._in_thread(self._subjects, deleted)

    async def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        return await self._read(self._versions, subject, deleted)

    async def lookup(
        self,
        subject: str,
        body: JsonSchema,
        *,
        normalize: bool = False,  # noqa: ARG002 - contents are compared, not texts
    ) -> RegisteredSchema:
        return await self._in_thread(self._lookup, subject, body)

    async def get_deleted(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._read(self._get_deleted, ref)

    async def referenced_by(self, ref: SchemaRef) -> list[SchemaId]:
        return await self._in_thread(self._referenced_by, ref)

    async def get_mode(self, subject: str | None = None) -> str:  # noqa: ARG002 - the same for all
        return "READWRITE"

    async def get_compatibility(self, subject: str | None = None) -> str:
        return await self._read(self._level, subject)

    async def latest(self) -> Latest | None:
        return await self._in_thread(self._latest, None)

    async def latest_page(self, place: Names | None = None) -> Page[Latest] | None:
        names, rest = await self._part(place)
        return Page(await self._in_thread(self._latest, names), rest)

    async def subjects_page(
        self, place: Names | None = None, *, deleted: bool = False
    ) -> Page[list[str]]:
        names, rest = await self._part(place)
        return Page(await self._in_thread(self._subjects, deleted, names), rest)

    async def _part(
        self, names: Sequence[str] | None
    ) -> tuple[Sequence[str], Sequence[str] | None]:
        """The names of a page, and those after it: no disk reads any number of files in time."""
        names = await self._in_thread(self.store.names) if names is None else names
        return names[: self.page], names[self.page :] or None

    async def ping(self) -> Mapping[str, Any]:
        return {"subjects": len(await self._in_thread(self.store.names))}

    async def register(self, new: NewSchema, guard: Guard | None = None) -> RegisteredSchema:
        return await self._in_thread(self._register, new, guard)

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        await self._in_thread(self._set_level, check_level(level), subject)

    async def reset_compatibility(self, subject: str) -> None:
        await self._in_thread(self._set_level, None, subject)

    async def deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        return await self._in_thread(self._deprecate, ref)

    async def delete(self, ref: SchemaRef, *, permanent: bool = False) -> None:
        await self._in_thread(self._delete, ref, permanent)

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[Version]:
        return await self._in_thread(self._delete_subject, subject, permanent)

    def _get(self, ref: SchemaRef) -> RegisteredSchema:
        with self._pointing(ref.subject):
            return _held(self.store.at(ref.subject), ref)

    def _get_by_id(self, wanted: SchemaId) -> RegisteredSchema:
        """Deleted versions are found until they are gone for good: data may carry their id."""
        looked_at: list[Subject | RegistryError] = []
        for name, found in self.store.every():
            looked_at.append(found)
            if isinstance(found, RegistryError):
                continue
            for version in found.numbers():
                if schema_id(name, version) == wanted:
                    return _schema(
                        found, found.ledger.exact(SchemaRef(name, version), deleted=True)
                    )
        for found in looked_at:
            _sound(found).ledger  # noqa: B018 - damage is what hides it, perhaps
        raise SchemaNotFound(f"no schema has the id {wanted}")

    def _get_deleted(self, ref: SchemaRef) -> RegisteredSchema:
        with self._pointing(ref.subject):
            found = self.store.at(ref.subject)
            return _schema(found, found.ledger.exact(ref, deleted=True))

    def _referenced_by(self, ref: SchemaRef) -> list[SchemaId]:
        """Damaged subjects refer to nothing that could be told."""
        with self._pointing(ref.subject):
            version = self.store.at(ref.subject).ledger.exact(ref, deleted=True).version
        referring: list[SchemaId] = []
        for name, found in self.store.every():
            with suppress(RegistryError):
                referring += (
                    schema_id(name, entry.version)
                    for entry in _sound(found).ledger.live
                    if any(_means(one, ref.subject, version) for one in entry.references)
                )
        return referring

    def _subjects(self, deleted: bool, names: Iterable[str] | None = None) -> list[str]:
        found = self.store.every(names)
        return sorted(name for name, subject in found if deleted or _is_shown(subject))

    def _versions(self, subject: str, deleted: bool) -> list[Version]:
        with self._pointing(subject):
            return self.store.at(subject).ledger.versions(deleted=deleted)

    async def versions_if_any(self, subject: str) -> list[Version]:
        ledger = await self._read(lambda: self.store.at(subject).ledger)
        return [entry.version for entry in ledger.live]

    def hint(self, subject: str) -> str:
        """The end of a sentence about a subject that is not here, as cheap as a wrong name."""
        names = self.store.names()
        known = names if len(names) > _LOOKED_AT else self._subjects(deleted=False)
        return what_is_there(subject, known)

    @contextmanager
    def _pointing(self, subject: str) -> Iterator[None]:
        """Within it, an error about a subject that is not here says what is."""
        try:
            yield
        except UnknownSubject:
            there = self.nowhere() or self.hint(subject)
            raise SchemaNotFound(f"subject {subject!r} is not in this registry{there}") from None

    def _lookup(self, subject: str, body: JsonSchema) -> RegisteredSchema:
        found = self.store.at(subject)
        with self._pointing(subject):
            found.ledger.versions()
        wanted = fingerprint_of(body)
        equal = found.ledger.having(lambda e: fingerprint_of(found.body(e.version)) == wanted)
        if equal is None:
            raise SchemaNotFound(f"no version of {subject!r} has this content")
        return _schema(found, equal)

    def _level(self, subject: str | None) -> str:
        own = self.store.at(subject).ledger.compatibility if subject is not None else None
        return own or self.store.level() or DEFAULT_COMPATIBILITY

    def _latest(self, names: Iterable[str] | None) -> Latest:
        """One damaged file must not hide all other subjects."""
        latest = Latest()
        for name, found in self.store.every(names):
            try:
                latest[name] = _held(_sound(found), latest_of_listed(name))
            except SchemaNotFound:
                continue
            except RegistryError as error:
                latest.left_out[name] = error
        self._named.follow(latest, latest.left_out)
        return latest

    def _register(self, new: NewSchema, guard: Guard | None) -> RegisteredSchema:
        SchemaRef(new.subject)
        new = replace(new, body=as_json(new.body), state=check_state(new.state))
        level = check_level(new.compatibility) if new.compatibility is not None else None
        before = self.store.at(new.subject)
        known = _equal(before, new)
        keeps_level = level in (None, before.ledger.compatibility)
        if known is not None and keeps_level and not _releases(new, known):
            # Nothing changes, so neither the lock is needed nor the right to write.
            return _schema(before, known)
        with self.store.lock():
            found = self.store.at(new.subject)
            if found.ledger != before.ledger:
                known = _equal(found, new)
            ledger = replace(found.ledger, compatibility=level or found.ledger.compatibility)
            if known is None:
                return self._register_first(found, ledger, new, guard)
            if _releases(new, known):
                self._check(found, ledger, replace(new, version=known.version), guard)
                known = replace(known, state=ACTIVE)
            if (changed := ledger.with_entry(known)) != found.ledger:
                self.store.save(changed)
            return _schema(found, known)

    def _register_first(
        self, found: Subject, ledger: Ledger, new: NewSchema, guard: Guard | None
    ) -> RegisteredSchema:
        version = ledger.number(new.version)
        self._check(found, ledger, replace(new, version=version), guard)
        entry = Entry(version, new.state, _plain(new.metadata), tuple(new.references))
        self.store.add(ledger.with_entry(entry), version, new.body)
        return _schema(found, entry, new.body)

    def _check(self, found: Subject, ledger: Ledger, new: NewSchema, guard: Guard | None) -> None:
        """Drafts are judged when they are released."""
        if guard is None or new.state == DRAFT or new.version is None:
            return
        level = ledger.compatibility or self.store.level() or DEFAULT_COMPATIBILITY
        guard(new, [_schema(found, entry) for entry in ledger.below(new.version)], level)

    def _set_level(self, level: str | None, subject: str | None) -> None:
        with self.store.lock():
            if subject is None:
                assert level is not None  # noqa: S101 - only a subject's level can be left open
                return self.store.set_level(level)
            SchemaRef(subject)
            ledger = self.store.at(subject).ledger
            return self.store.save(replace(ledger, compatibility=level))

    def _deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        self._versions(ref.subject, True)
        with self.store.lock():
            found = self.store.at(ref.subject)
            entry = replace(found.ledger.exact(ref), state=DEPRECATED)
            self.store.save(found.ledger.with_entry(entry))
            return _schema(found, entry)

    def _delete(self, ref: SchemaRef, permanent: bool) -> None:
        self._versions(ref.subject, True)
        with self.store.lock():
            ledger = self.store.at(ref.subject).ledger
            if permanent:
                entry = ledger.exact(ref, deleted=True)
                return self.store.erase(ledger.without(entry.version), [entry.version])
            return self.store.save(ledger.with_state(ledger.exact(ref), DELETED))

    def _delete_subject(self, subject: str, permanent: bool) -> list[Version]:
        self._versions(subject, True)
        with self.store.lock():
            ledger = self.store.at(subject).ledger
            versions = ledger.versions(deleted=permanent)
            if permanent:
                self.store.erase(ledger.without(*versions), versions)
                return versions
            for entry in ledger.live:
                ledger = ledger.with_state(entry, DELETED)
            self.store.save(ledger)
            return versions


def _sound(found: Subject | RegistryError) -> Subject:
    if isinstance(found, RegistryError):
        raise found
    return found


def _means(reference: SchemaReference, subject: str, version: Version) -> bool:
    same = version_key(reference.version) == version_key(version)
    return reference.subject == subject and same


def _is_shown(found: Subject | RegistryError) -> bool:
    try:
        return any(entry.is_live for entry in _sound(found).ledger.entries)
    except RegistryError:  # whoever asks for it is told what is wrong
        return True


def _held(found: Subject, ref: SchemaRef) -> RegisteredSchema:
    return _schema(found, found.ledger.find(ref))


def _schema(found: Subject, entry: Entry, body: JsonSchema | None = None) -> RegisteredSchema:
    """``body``: where it is at hand."""
    subject = found.ledger.subject
    return RegisteredSchema(
        id=schema_id(subject, entry.version),
        subject=subject,
        version=entry.version,
        body=found.body(entry.version) if body is None else body,
        references=entry.references,
        state=entry.state,
        metadata=dict(entry.metadata),
    )


def _equal(found: Subject, new: NewSchema) -> Entry | None:
    wanted = fingerprint_of(new.body)
    return found.ledger.having(
        lambda entry: (
            entry.references == new.references
            and fingerprint_of(found.body(entry.version)) == wanted
        )
    )


def _releases(new: NewSchema, known: Entry) -> bool:
    """Whether a draft is released by registering it again."""
    return known.state == DRAFT and new.state == ACTIVE


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON would bring it back, so that every registry returns the same."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"metadata must be JSON ({type(error).__name__})") from None
    return plain
