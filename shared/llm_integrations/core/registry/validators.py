"""Compiled validators of registered schemas, references resolved, each compiled once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeAlias

from cachetools import LRUCache

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import RegistryUnavailable
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.cache import Entry, ref_key
from llm_integrations.core.registry.engine import Engine
from llm_integrations.core.registry.pending import Pending
from llm_integrations.core.registry.reference import SchemaRef
from llm_integrations.core.registry.references import collect_references
from llm_integrations.core.registry.schema import JsonSchema, RegisteredSchema, fingerprint_of

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["Validators"]

_Key: TypeAlias = tuple[str, str, ValidationOptions, tuple[tuple[str, str], ...]]


class Validators:
    """Makes validators for a client and keeps them as long as their schemas are in use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._options = engine.settings.validation
        self._compiled: LRUCache[_Key, Validator] = LRUCache(engine.settings.cache.maxsize)
        self._lock = threading.Lock()

    def of(
        self, found: Entry | Pending[Entry], options: ValidationOptions | None
    ) -> Validator | Pending[Validator]:
        """The validator of an entry, now if there is one already."""
        if isinstance(found, Entry):
            validator = kept(found, options)
            if validator is not None:
                return validator
        return self._engine.start(lambda: self._of(found, options))

    async def _of(
        self, found: Entry | Pending[Entry], options: ValidationOptions | None
    ) -> Validator:
        entry = found if isinstance(found, Entry) else await found
        validator = await self.make(entry.known, options)
        keep(entry, options, validator)
        return validator

    async def make(self, schema: RegisteredSchema, options: ValidationOptions | None) -> Validator:
        """Compile, unless an equal schema was compiled with equal options and references."""
        options = options or self._options
        resources = await self._resources(schema)
        key = _key(schema, options, resources)
        with self._lock:
            validator = self._compiled.get(key)
        if validator is None:
            validator = await asyncio.to_thread(_compile, schema, options, resources)
            with self._lock:
                self._compiled[key] = validator
        return validator

    async def check(self, new: NewSchema) -> None:
        """Raise InvalidSchema, with the reason, for a schema that nothing could be judged by."""
        schema = RegisteredSchema("", new.subject, new.version, new.body, new.references)
        resources = await self._resources(schema)
        await asyncio.to_thread(_compile, schema, self._options, resources)

    async def _resources(self, schema: RegisteredSchema) -> dict[str, JsonSchema]:
        if not schema.references:
            return {}
        deadline = self._engine.settings.retry.deadline
        try:
            async with asyncio.timeout(deadline):
                return await collect_references(schema, self._get)
        except TimeoutError:
            raise RegistryUnavailable(
                f"the references of {schema} did not arrive within {deadline:g} s"
            ) from None

    async def _get(self, ref: SchemaRef) -> RegisteredSchema:
        key, ref = ref_key(ref)
        found = self._engine.entry(key, ref, lambda backend: backend.get(ref))
        entry = found if isinstance(found, Entry) else await found
        return entry.known


def kept(entry: Entry, options: ValidationOptions | None) -> Validator | None:
    return entry.validator if options is None else entry.validators.get(options)


def keep(entry: Entry, options: ValidationOptions | None, validator: Validator) -> None:
    if options is None:
        entry.validator = validator
    else:
        entry.validators[options] = validator


def _key(
    schema: RegisteredSchema, options: ValidationOptions, resources: dict[str, JsonSchema]
) -> _Key:
    others = tuple((name, fingerprint_of(body)) for name, body in sorted(resources.items()))
    return str(schema), schema.fingerprint, options, others


def _compile(
    schema: RegisteredSchema, options: ValidationOptions, resources: dict[str, JsonSchema]
) -> Validator:
    from llm_integrations.core.validation import compile_validator

    return compile_validator(
        schema.body,
        options=options,
        resources=resources,
        subject=schema.subject,
        reference=str(schema),
    )
