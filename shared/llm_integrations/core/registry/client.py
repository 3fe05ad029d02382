"""The client for code without an event loop."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from llm_integrations.core.config import ValidationOptions, check_validation_options
from llm_integrations.core.errors import RegistryError
from llm_integrations.core.model.class_schema import Mode
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import ACTIVE, RegisteredSchema, SchemaReference
from llm_integrations.core.registry.backend import Latest, RegistryBackend, RegistryHealth
from llm_integrations.core.registry.cache.requests import key_of
from llm_integrations.core.registry.cache.service import CacheService
from llm_integrations.core.registry.from_cache import FromCache
from llm_integrations.core.registry.operations import Operations, wait
from llm_integrations.core.registry.pending import CALLS, IO, Pending, launch
from llm_integrations.core.registry.settings import Settings
from llm_integrations.core.reprs import never_raises

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_integrations.core.evolution import CompatibilityReport
    from llm_integrations.core.registry.aio import AsyncRegistry
    from llm_integrations.core.validation import ValidationReport, Validator

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(FromCache):
    """A client of one registry; ``connect()`` makes one. Use it from any thread.

    References are ``subject@version``, ``subject@latest`` or just the subject. Every call may
    raise RegistryError subclasses (SchemaNotFound, RegistryUnavailable, RegistryAuthError, …) and
    InvalidReference, and nothing else of the network.
    """

    def __init__(self, settings: Settings, backend: RegistryBackend | None = None) -> None:
        self.settings = settings
        service = CacheService(settings, backend)
        super().__init__(service, Operations(service))
        service.registry.belongs_to(self)

    @property
    def closed(self) -> bool:
        return self._service.closed

    @cached_property
    def aio(self) -> AsyncRegistry:
        """The same client for coroutines: same cache, same breaker."""
        from llm_integrations.core.registry.aio import AsyncRegistry

        return AsyncRegistry(self)

    def get(self, reference: str | SchemaRef) -> RegisteredSchema:
        """The schema. Waits when there is no copy of it, or only one that is too old.

        See CacheOptions: how long a copy is fresh, then served at once while it is refreshed, and
        how long a reader of an older one waits before it gets that.
        """
        entry = self._service.fresh(key_of(reference)[0])
        if entry is None:
            entry = wait(self._service.schema_entry(reference))
        return entry.schema

    def in_force(self, reference: str | SchemaRef) -> RegisteredSchema:
        """The schema as the registry has it now: asked for past the cache, which then has it too.

        What to ask where an old copy would be wrong: ``get`` waits for the registry only shortly.
        Callers who ask at the same time share one request. While the registry cannot be asked,
        the old copy is returned; that is logged, and counted as stale.

        Raises:
            SchemaNotFound: when the registry does not have it.
            RegistryError: when the registry cannot be asked and there is no copy.
        """
        return self._service.in_force(reference).wait().schema

    def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        """The schema with the id that the registry gave it."""
        return wait(self._operations.entry_by_id(schema_id)).schema

    def find(self, wanted: SchemaId | SchemaRef) -> RegisteredSchema:
        """By id for an integer or a UUID in text form, else by reference."""
        return wait(self._operations.find(wanted)).schema

    def subjects(self, *, deleted: bool = False) -> list[str]:
        """All subjects, with ``deleted`` the softly deleted ones too."""
        return self._operations.subjects(deleted=deleted).wait()

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """A subject's versions, ascending."""
        return self._operations.versions(subject, deleted=deleted).wait()

    def latest(self, subjects: Collection[str] | None = None) -> Latest:
        """The latest schema of every subject, or of some, straight from the registry.

        One request for up to a thousand where the registry can list them, else one for each
        subject, 16 at once. ``left_out`` says which subjects have none that can be used, and why.
        """
        return self._operations.latest(subjects).wait()

    def edited(self, subject: str | None = None) -> list[SchemaRef]:
        """The versions of a folder, or of one subject, whose text was changed after publishing.

        A published version never changes: take the change back, and register it as the next one.
        """
        return self._operations.edited(subject).wait()

    def lookup(
        self, subject: str, body: Any, *, normalize: bool = False, mode: Mode = "validation"
    ) -> RegisteredSchema:
        """The version of the subject with this content, else SchemaNotFound.

        ``body``, ``normalize`` and ``mode``: see ``register``.
        """
        return self._operations.lookup(subject, body, normalize=normalize, mode=mode).wait()

    def get_deleted(self, reference: str | SchemaRef) -> RegisteredSchema:
        """An exact version even if it was deleted softly (state DELETED), past the cache."""
        return self._operations.get_deleted(reference).wait()

    def referenced_by(self, reference: str | SchemaRef) -> list[SchemaId]:
        """The ids of the schemas that refer to an exact version: what deleting it would break."""
        return self._operations.referenced_by(reference).wait()

    def latest_with_metadata(self, subject: str, metadata: Mapping[str, Any]) -> RegisteredSchema:
        """The newest version of a subject whose metadata has all of this, else SchemaNotFound."""
        return self._operations.latest_with_metadata(subject, metadata).wait()

    def get_mode(self, subject: str | None = None) -> str:
        """READWRITE, READONLY or what else the registry says (of a subject, or of itself)."""
        return self._operations.get_mode(subject).wait()

    def validator(
        self, reference: str | SchemaRef, *, options: ValidationOptions | None = None
    ) -> Validator:
        """A compiled validator, a snapshot of the version in force now.

        Raises:
            InvalidSchema: when the schema does not compile.
        """
        check_validation_options(options)
        entry = self._service.fresh(key_of(reference)[0])
        if entry is not None:
            validator = entry.validators.get(options)
            if validator is not None:
                return validator
        return wait(self._operations.validator(reference, options))

    def model(self, reference: str | SchemaRef) -> type[BaseModel]:
        """A pydantic class for a version; data is judged by the whole schema when one is made.

        See ``core.models.model_of``; needs the extra ``models``.

        Raises:
            MissingExtra: the extra is not installed.
        """
        from llm_integrations.core.models import model_of

        return model_of(self.get(reference), self.validator(reference))

    def validator_for(
        self, schema: RegisteredSchema, *, options: ValidationOptions | None = None
    ) -> Validator:
        """A compiled validator of a schema that is at hand."""
        return wait(self._operations.validator_for(schema, options=options))

    def validate(self, reference: str | SchemaRef, data: Any) -> ValidationReport:
        """Judge data; the report is false when it is invalid."""
        return self.validator(reference).validate(data)

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
    ) -> RegisteredSchema:
        """Add a version to a subject; equal content returns the version that has it.

        Args:
            body: the schema, the name of a ready one (see ``core.ready``), or a class: a pydantic
                model, a dataclass, a TypedDict, a msgspec Struct or an attrs class. A class brings
                metadata: its name, its docstring and its owner (see ``core.models``).
            version: None takes the next integer; required where a subject uses semantic versions.
            compatibility: sets the subject's level too, as ``"BACKWARD"``.
            normalize: whether a server that compares texts compares them in its normal form.
            mode: of a pydantic class, the schema of what it accepts ("validation") or of what it
                writes ("serialization").

        Raises:
            InvalidSchema: when it could not be judged by.
            IncompatibleSchema: when it breaks the subject's level.
            SchemaConflict: when the version exists with other content.
        """
        return self._operations.register(
            subject,
            body,
            version,
            metadata=metadata,
            references=references,
            compatibility=compatibility,
            state=state,
            normalize=normalize,
            mode=mode,
        ).wait()

    def deprecate(self, reference: str | SchemaRef) -> RegisteredSchema:
        """Mark an exact version as deprecated. Unsupported where the registry has no states."""
        return self._operations.deprecate(reference).wait()

    def delete(self, reference: str | SchemaRef, permanent: bool = False) -> None:
        """Delete an exact version, softly unless ``permanent``."""
        self._operations.delete(reference, permanent).wait()

    def delete_subject(self, subject: str, permanent: bool = False) -> list[Version]:
        """Delete all versions of a subject, and return them."""
        return self._operations.delete_subject(subject, permanent).wait()

    def check_compatibility(
        self,
        subject: str,
        body: Any,
        level: str | None = None,
        *,
        policy: Literal["strict", "lenient"] | None = None,
        mode: Mode = "validation",
    ) -> CompatibilityReport:
        """Compare a schema with the subject's versions (level None: the level in force).

        ``body`` and ``mode``: see ``register``.
        """
        return self._operations.check_compatibility(
            subject, body, level, policy=policy, mode=mode
        ).wait()

    def get_compatibility(self, subject: str | None = None) -> str:
        """The level in force for a subject (None: the registry's)."""
        return self._operations.get_compatibility(subject).wait()

    def set_compatibility(self, level: str, subject: str | None = None) -> None:
        """Set the level of a subject (None: the registry's)."""
        self._operations.set_compatibility(level, subject).wait()

    def identity(self) -> str:
        """What names the registry in events: ``connect(registry_id=…)``, else what the server says
        of itself, else its URL."""
        return self._operations.identity().wait()

    def reset_compatibility(self, subject: str) -> None:
        """Remove a subject's own level, so that the registry's holds again."""
        self._operations.reset_compatibility(subject).wait()

    def health(self) -> RegistryHealth:
        """One cheap request, whatever the breaker says; false when it failed.

        ``detail["rejected"]`` says, by reference, why an answer did not replace a good copy.
        """
        return self._operations.health().wait()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on a background event loop, for callers without one."""
        if CALLS.is_current or IO.is_current:
            coroutine.close()
            raise RegistryError("this runs on the client's event loop already: use await")
        pending: Pending[T] = Pending()
        launch(coroutine, pending, CALLS)
        return pending.wait()

    def close(self) -> None:
        """Close connections; whoever waits gets an error. A second call does nothing."""
        self._service.close().wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        content = self._service.registry.backend if self.settings.is_memory else None
        return Registry, (self.settings.for_pickling(), content)

    @never_raises
    def __repr__(self) -> str:
        return f"<Registry {self.url}{' (closed)' if self.closed else ''}>"
