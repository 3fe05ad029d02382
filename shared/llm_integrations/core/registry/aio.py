"""The client for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from llm_integrations.core.config import ValidationOptions, check_validation_options
from llm_integrations.core.model.reference import SchemaId, SchemaRef
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.requests import key_of
from llm_integrations.core.registry.client import Registry
from llm_integrations.core.registry.from_cache import FromCache
from llm_integrations.core.registry.operations import Operations, await_answer
from llm_integrations.core.registry.pending import Pending
from llm_integrations.core.reprs import never_raises

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_integrations.core.validation import ValidationReport, Validator

__all__ = ["AsyncRegistry"]

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    method: Callable[Concatenate[Registry, P], T],
    operation: Callable[Concatenate[Operations, P], T | Pending[T]],
) -> Callable[Concatenate[AsyncRegistry, P], Coroutine[Any, Any, T]]:
    """The coroutine form of a method of Registry: same signature, same description."""

    @wraps(method)
    async def awaited(self: AsyncRegistry, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await await_answer(operation(self._operations, *args, **kwargs))

    return awaited


class AsyncRegistry(FromCache):
    """``Registry`` for coroutines: ``registry.aio``. Usable from any event loop.

    What has a fresh copy is answered without leaving the caller's loop. Cancelling a call
    stops its waiting, never a fetch that others wait for. Each method is described at Registry.
    """

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry._service, registry._operations)
        self._registry = registry

    @property
    def sync(self) -> Registry:
        """The same client for code without an event loop."""
        return self._registry

    async def get(self, reference: str | SchemaRef) -> RegisteredSchema:
        entry = self._service.fresh(key_of(reference)[0])
        if entry is None:
            entry = await await_answer(self._service.schema_entry(reference))
        return entry.schema

    async def in_force(self, reference: str | SchemaRef) -> RegisteredSchema:
        return (await self._service.in_force(reference)).schema

    async def get_by_id(self, schema_id: SchemaId) -> RegisteredSchema:
        return (await await_answer(self._operations.entry_by_id(schema_id))).schema

    async def find(self, wanted: SchemaId | SchemaRef) -> RegisteredSchema:
        return (await await_answer(self._operations.find(wanted))).schema

    async def validator(
        self, reference: str | SchemaRef, *, options: ValidationOptions | None = None
    ) -> Validator:
        check_validation_options(options)
        entry = self._service.fresh(key_of(reference)[0])
        if entry is not None:
            validator = entry.validators.get(options)
            if validator is not None:
                return validator
        return await await_answer(self._operations.validator(reference, options))

    async def validate(self, reference: str | SchemaRef, data: Any) -> ValidationReport:
        return (await self.validator(reference)).validate(data)

    async def model(self, reference: str | SchemaRef) -> type[BaseModel]:
        from llm_integrations.core.models import model_of

        schema, validator = await self.get(reference), await self.validator(reference)
        return await asyncio.to_thread(model_of, schema, validator)

    subjects = _awaited(Registry.subjects, Operations.subjects)
    versions = _awaited(Registry.versions, Operations.versions)
    latest = _awaited(Registry.latest, Operations.latest)
    edited = _awaited(Registry.edited, Operations.edited)
    lookup = _awaited(Registry.lookup, Operations.lookup)
    get_deleted = _awaited(Registry.get_deleted, Operations.get_deleted)
    referenced_by = _awaited(Registry.referenced_by, Operations.referenced_by)
    latest_with_metadata = _awaited(Registry.latest_with_metadata, Operations.latest_with_metadata)
    get_mode = _awaited(Registry.get_mode, Operations.get_mode)
    validator_for = _awaited(Registry.validator_for, Operations.validator_for)
    register = _awaited(Registry.register, Operations.register)
    deprecate = _awaited(Registry.deprecate, Operations.deprecate)
    delete = _awaited(Registry.delete, Operations.delete)
    delete_subject = _awaited(Registry.delete_subject, Operations.delete_subject)
    check_compatibility = _awaited(Registry.check_compatibility, Operations.check_compatibility)
    get_compatibility = _awaited(Registry.get_compatibility, Operations.get_compatibility)
    set_compatibility = _awaited(Registry.set_compatibility, Operations.set_compatibility)
    identity = _awaited(Registry.identity, Operations.identity)
    reset_compatibility = _awaited(Registry.reset_compatibility, Operations.reset_compatibility)
    health = _awaited(Registry.health, Operations.health)

    async def close(self) -> None:
        await self._service.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._registry, "aio")

    @never_raises
    def __repr__(self) -> str:
        return f"<AsyncRegistry of {self._registry!r}>"
