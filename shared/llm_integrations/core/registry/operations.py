"""The operations of a registry client, once: ``Registry`` waits, ``AsyncRegistry`` awaits.

An operation returns its value, or a Pending where the registry has to be asked first. Its
signature is that of ``Registry``, which describes it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llm_integrations.core.config import ValidationOptions, check_kind, check_validation_options
from llm_integrations.core.errors import ConfigurationError, InvalidReference, RegistryError
from llm_integrations.core.model.class_schema import Mode, metadata_of, schema_of
from llm_integrations.core.model.reference import (
    LATEST,
    SchemaId,
    SchemaRef,
    Version,
    parse_version,
)
from llm_integrations.core.model.schema import ACTIVE, RegisteredSchema, SchemaReference
from llm_integrations.core.registry.backend import (
    Latest,
    NewSchema,
    RegistryBackend,
    RegistryHealth,
)
from llm_integrations.core.registry.cache.freshness import CacheEntry
from llm_integrations.core.registry.cache.requests import ask_for_id, id_key, key_of
from llm_integrations.core.registry.cache.service import CacheService
from llm_integrations.core.registry.cache.validators import Validators
from llm_integrations.core.registry.listing.pages import Listing
from llm_integrations.core.registry.pending import Pending
from llm_integrations.core.registry.writes import Policy, Writes

if TYPE_CHECKING:
    from llm_integrations.core.evolution import CompatibilityReport
    from llm_integrations.core.validation import Validator

__all__ = ["Operations", "await_answer", "wait"]

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def wait(found: T | Pending[T]) -> T:
    """The answer, for a thread that may block."""
    return cast("Pending[T]", found).wait() if isinstance(found, Pending) else found


async def await_answer(found: T | Pending[T]) -> T:
    """The answer, for a coroutine."""
    return await cast("Pending[T]", found) if isinstance(found, Pending) else found


class Operations:
    """The operations on one cache service."""

    def __init__(self, service: CacheService) -> None:
        self._service = service
        self._validators = Validators(service)
        self._listing = Listing(service.registry)
        self._writes = Writes(service, self._validators)

    # -- reading ----------

    def entry_by_id(self, schema_id: SchemaId) -> CacheEntry | Pending[CacheEntry]:
        return self._service.entry(id_key(schema_id), None, ask_for_id(schema_id))

    def find(self, wanted: SchemaId | SchemaRef) -> CacheEntry | Pending[CacheEntry]:
        """By id for an integer or a UUID in text form, else by reference."""
        if isinstance(wanted, int) or (isinstance(wanted, str) and _UUID.fullmatch(wanted)):
            return self.entry_by_id(wanted)
        return self._service.schema_entry(wanted)

    def validator(
        self, reference: str | SchemaRef, options: ValidationOptions | None
    ) -> Validator | Pending[Validator]:
        return self._validators.of(self._service.schema_entry(reference), options)

    def validator_for(
        self, schema: RegisteredSchema, *, options: ValidationOptions | None = None
    ) -> Validator | Pending[Validator]:
        check_kind("schema", schema, RegisteredSchema, "what get(…) gives (see validator)")
        check_validation_options(options)
        ready = self._validators.ready(schema, options)
        return ready or self._service.start(lambda: self._validators.make(schema, options))

    def subjects(self, *, deleted: bool = False) -> Pending[list[str]]:
        return self._service.start(lambda: self._listing.subjects(deleted=deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> Pending[list[Version]]:
        ref = SchemaRef(subject)
        return self._ask(lambda backend: backend.versions(subject, deleted=deleted), ref)

    def lookup(
        self, subject: str, body: Any, *, normalize: bool = False, mode: Mode = "validation"
    ) -> Pending[RegisteredSchema]:
        ref = SchemaRef(subject)
        body = schema_of(body, mode)
        also: dict[str, Any] = {"normalize": True} if normalize else {}
        return self._ask(lambda backend: backend.lookup(subject, body, **also), ref)

    def get_deleted(self, reference: str | SchemaRef) -> Pending[RegisteredSchema]:
        ref = _exact_ref(reference, "get_deleted")
        return self._ask(lambda backend: backend.get_deleted(ref), ref)

    def referenced_by(self, reference: str | SchemaRef) -> Pending[list[SchemaId]]:
        ref = _exact_ref(reference, "referenced_by")
        return self._ask(lambda backend: backend.referenced_by(ref), ref)

    def latest_with_metadata(
        self, subject: str, metadata: Mapping[str, Any]
    ) -> Pending[RegisteredSchema]:
        ref = SchemaRef(subject)
        check_kind("metadata", metadata, Mapping, "a dict, as {'owner': 'team-a'}")
        wanted = dict(metadata)
        return self._ask(lambda backend: backend.latest_with_metadata(subject, wanted), ref)

    def get_mode(self, subject: str | None = None) -> Pending[str]:
        return self._ask(lambda backend: backend.get_mode(subject))

    def latest(self, subjects: Collection[str] | None = None) -> Pending[Latest]:
        if isinstance(subjects, str):  # each letter would be one
            raise ConfigurationError(f"subjects must be a list, as [{subjects!r}]")
        return self._service.start(lambda: self._listing.latest(subjects))

    def edited(self, subject: str | None = None) -> Pending[list[SchemaRef]]:
        return self._ask(lambda backend: backend.edited(subject))

    # -- writing ----------

    def register(
        self,
        subject: str,
        body: Any,
        version: Version | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        references: Sequence[SchemaReference] = (),
        compatibility: str | None = None,
        state: str = ACTIVE,
        normalize: bool = False,
        mode: Mode = "validation",
    ) -> Pending[RegisteredSchema]:
        SchemaRef(subject)
        check_kind("metadata", metadata or {}, Mapping, "a dict, as {'owner': 'team-a'}")
        references = _references(references)
        model, body = body, schema_of(body, mode)
        if version is not None:
            version = _exact(parse_version(version), "register")
        metadata = {**metadata_of(model, body, mode), **(metadata or {})}
        new = NewSchema(
            subject, body, version, metadata, references, compatibility, state, normalize=normalize
        )
        return self._service.start(lambda: self._writes.register(new))

    def deprecate(self, reference: str | SchemaRef) -> Pending[RegisteredSchema]:
        ref = _exact_ref(reference, "deprecate")
        return self._service.start(lambda: self._writes.deprecate(ref))

    def delete(self, reference: str | SchemaRef, permanent: bool = False) -> Pending[None]:
        ref = _exact_ref(reference, "delete")
        return self._service.start(lambda: self._writes.delete(ref, permanent))

    def delete_subject(self, subject: str, permanent: bool = False) -> Pending[list[Version]]:
        SchemaRef(subject)
        return self._service.start(lambda: self._writes.delete_subject(subject, permanent))

    # -- compatibility ----------

    def get_compatibility(self, subject: str | None = None) -> Pending[str]:
        return self._ask(lambda backend: backend.get_compatibility(subject))

    def set_compatibility(self, level: str, subject: str | None = None) -> Pending[None]:
        return self._ask(lambda backend: backend.set_compatibility(level, subject))

    def reset_compatibility(self, subject: str) -> Pending[None]:
        SchemaRef(subject)
        return self._ask(lambda backend: backend.reset_compatibility(subject))

    def check_compatibility(
        self,
        subject: str,
        body: Any,
        level: str | None = None,
        *,
        policy: Policy | None = None,
        mode: Mode = "validation",
    ) -> Pending[CompatibilityReport]:
        SchemaRef(subject)
        body = schema_of(body, mode)
        return self._service.start(
            lambda: self._writes.check_compatibility(subject, body, level, policy)
        )

    # -- the registry itself ----------

    def identity(self) -> Pending[str]:
        return self._service.start(self._service.identity.get)

    def health(self) -> Pending[RegistryHealth]:
        return self._service.start(self._health)

    async def _health(self) -> RegistryHealth:
        # Past the breaker: this is how one finds out that the registry is back.
        state = self._service.registry.breaker.state
        detail: dict[str, Any] = {}
        with self._service.lock:
            if rejected := self._service.cache.rejected():
                detail["rejected"] = rejected
        try:
            answer = await self._service.registry.once(lambda backend: backend.ping())
        except RegistryError as error:
            return RegistryHealth(False, state, {**detail, "error": str(error)})
        return RegistryHealth(True, state, {**answer, **detail})

    def _ask(
        self, ask: Callable[[RegistryBackend], Awaitable[T]], about: SchemaRef | None = None
    ) -> Pending[T]:
        return self._service.start(lambda: self._service.registry.call(ask, about))


def _exact(version: Version, verb: str) -> Version:
    if version == LATEST:
        raise InvalidReference(f"{verb} takes an exact version, not 'latest'")
    return version


def _references(given: Iterable[SchemaReference]) -> tuple[SchemaReference, ...]:
    references: tuple[Any, ...] = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(reference, SchemaReference) for reference in references):
        raise ConfigurationError(
            "references must be a list, as [SchemaReference('address.json', 'address', 1)]"
        )
    return references


def _exact_ref(reference: str | SchemaRef, verb: str) -> SchemaRef:
    _, ref = key_of(reference)
    _exact(ref.version, verb)
    return ref
