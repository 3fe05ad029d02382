"""The client for coroutines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.model.reference import SchemaId, SchemaRef, Version
from llm_integrations.core.model.schema import (
    ACTIVE,
    JsonSchema,
    RegisteredSchema,
    SchemaReference,
)
from llm_integrations.core.registry.backend import RegistryHealth
from llm_integrations.core.registry.cache.keys import key_of
from llm_integrations.core.registry.cache.service import CacheService
from llm_integrations.core.registry.operations import Operations, await_answer

if TYPE_CHECKING:
    from llm_integrations.core.evolution import CompatibilityReport
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.registry.client import Registry
    from llm_integrations.core.validation import ValidationReport, Validator

__all__ = ["AsyncRegistry"]


class AsyncRegistry:
    """``Registry`` for coroutines: ``registry.aio``. Usable from any event loop.

    What has a copy in the cache is answered without leaving the caller's loop. Cancelling a call
    stops its waiting, never a fetch that others wait for. Each method is described at Registry.
    """

    def __init__(self, registry: Registry, service: CacheService, operations: Operations) -> None:
        self._registry = registry
        self._service = service
        self._operations = operations
        self.url = registry.url
        self.validation = registry.validation

    @property
    def sync(self) -> Registry:
        """The same client for code without an event loop."""
        return self._registry

    async def get(self, reference: str | SchemaRef) -> RegisteredSchema:
        entry = self._service.fresh(key_of(reference)[0])
        if entry is None:
            entry = await await_answer(self._operations.entry(reference))
        return entry.schema

    async def in_force(self, reference: str | SchemaRef) -> RegisteredSchema:
        return (await self._operations.in_force(reference)).schema

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return (await await_answer(self._operations.entry_by_id(schema_id))).schema

    async def find(self, wanted: SchemaId | SchemaRef) -> RegisteredSchema:
        return (await await_answer(self._operations.find(wanted))).schema

    def peek(self, reference: str | SchemaRef) -> RegisteredSchema | None:
        return self._operations.peek(reference)

    async def subjects(self, *, deleted: bool = False) -> list[str]:
        return await self._operations.subjects(deleted)

    async def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        return await self._operations.versions(subject, deleted)

    async def latest(
        self, subjects: Collection[str] | None = None
    ) -> Mapping[str, RegisteredSchema]:
        return await self._operations.latest(subjects)

    async def lookup(self, subject: str, body: JsonSchema) -> RegisteredSchema:
        return await self._operations.lookup(subject, body)

    async def validator(
        self, reference: str | SchemaRef, *, options: ValidationOptions | None = None
    ) -> Validator:
        entry = self._service.fresh(key_of(reference)[0])
        if entry is not None:
            validator = entry.validators.get(options)
            if validator is not None:
                return validator
        return await await_answer(self._operations.validator(reference, options))

    def ready_validator(
        self, reference: str | SchemaRef, *, options: ValidationOptions | None = None
    ) -> Validator | None:
        return self._operations.ready_validator(reference, options)

    async def validator_for(
        self, schema: RegisteredSchema, *, options: ValidationOptions | None = None
    ) -> Validator:
        return await await_answer(self._operations.validator_for(schema, options))

    async def validate(self, reference: str | SchemaRef, data: Any) -> ValidationReport:
        return (await self.validator(reference)).validate(data)

    async def register(
        self,
        subject: str,
        body: JsonSchema,
        version: Version | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        references: Sequence[SchemaReference] = (),
        compatibility: str | None = None,
        state: str = ACTIVE,
    ) -> RegisteredSchema:
        return await self._operations.register(
            subject,
            body,
            version,
            metadata=dict(metadata or {}),
            references=tuple(references),
            compatibility=compatibility,
            state=state,
        )

    async def deprecate(self, reference: str | SchemaRef) -> RegisteredSchema:
        return await self._operations.deprecate(reference)

    async def delete(self, reference: str | SchemaRef, permanent: bool = False) -> None:
        await self._operations.delete(reference, permanent)

    async def delete_subject(self, subject: str, permanent: bool = False) -> list[Version]:
        return await self._operations.delete_subject(subject, permanent)

    async def check_compatibility(
        self,
        subject: str,
        body: JsonSchema,
        level: str | None = None,
        *,
        policy: Literal["strict", "lenient"] | None = None,
    ) -> CompatibilityReport:
        return await self._operations.check_compatibility(subject, body, level, policy)

    async def get_compatibility(self, subject: str | None = None) -> str:
        return await self._operations.get_compatibility(subject)

    async def set_compatibility(self, level: str, subject: str | None = None) -> None:
        await self._operations.set_compatibility(level, subject)

    def invalidate(self, reference: str | SchemaRef | None = None) -> None:
        self._operations.invalidate(reference)

    def mark_latest_stale(self) -> None:
        self._service.mark_latest_stale()

    def apply_event(self, event: SchemaEvent) -> None:
        self._operations.apply_event(event)

    async def health(self) -> RegistryHealth:
        return await self._operations.health()

    async def close(self) -> None:
        await self._service.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._registry, "aio")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<AsyncRegistry of {getattr(self, '_registry', None)!r}>"
