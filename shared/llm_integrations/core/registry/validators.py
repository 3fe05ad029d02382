"""Compiled validators of registered schemas: references resolved, each compiled once.

Everything but ``of`` runs on the background loop only, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from cachetools import LRUCache

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, RegistryUnavailable, SchemaNotFound
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.cache import Entry, ref_key
from llm_integrations.core.registry.engine import Compiled, Engine
from llm_integrations.core.registry.pending import Pending
from llm_integrations.core.registry.reference import SchemaRef
from llm_integrations.core.registry.references import collect_references
from llm_integrations.core.registry.schema import JsonSchema, RegisteredSchema, fingerprint_of

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["Validators"]

_Key: TypeAlias = tuple[str, str, ValidationOptions, tuple[tuple[str, str], ...]]


class Validators:
    """Makes validators for a client and keeps as many as it keeps schemas."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._options = engine.settings.validation
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start_afresh()
        engine.recompile = self.recompile

    def of(
        self, found: Entry | Pending[Entry], options: ValidationOptions | None
    ) -> Validator | Pending[Validator]:
        """The validator of an entry, at once if there is one already."""
        if isinstance(found, Entry) and options in found.validators:
            return found.validators[options]
        return self._engine.start(lambda: self._of(found, options))

    async def _of(
        self, found: Entry | Pending[Entry], options: ValidationOptions | None
    ) -> Validator:
        entry = found if isinstance(found, Entry) else await found
        validator = await self.make(entry.known, options)
        entry.validators[options] = validator
        return validator

    async def recompile(self, old: Entry, schema: RegisteredSchema) -> Compiled:
        """For a renewed schema, the validators that its old copy had.

        Raises:
            RegistryError: when the references cannot be had now; the old copy is of more use then.
        """
        made: dict[ValidationOptions | None, Validator] = {}
        for options in list(old.validators):
            try:
                made[options] = await self.make(schema, options)
            except (InvalidSchema, SchemaNotFound):
                continue  # whoever asks for a validator will be told
        return made

    async def make(
        self, schema: RegisteredSchema, options: ValidationOptions | None = None
    ) -> Validator:
        """Compile, unless an equal schema was compiled with equal options and references."""
        self._mind_the_loop()
        options = options or self._options
        resources = await self._resources(schema)
        others = tuple((name, fingerprint_of(body)) for name, body in sorted(resources.items()))
        key = (str(schema), schema.fingerprint, options, others)
        validator = self._made.get(key)
        if validator is not None:
            return validator
        if key not in self._making:
            self._making[key] = asyncio.create_task(self._compile(key, schema, options, resources))
        return await asyncio.shield(self._making[key])

    async def _compile(
        self,
        key: _Key,
        schema: RegisteredSchema,
        options: ValidationOptions,
        resources: dict[str, JsonSchema],
    ) -> Validator:
        try:
            # Large schemas take a while, and this thread serves everybody.
            self._made[key] = await asyncio.to_thread(
                _compile, schema, str(schema), options, resources
            )
            return self._made[key]
        finally:
            del self._making[key]

    async def check(self, new: NewSchema) -> None:
        """Raise InvalidSchema, with the reason, for a schema that nothing could be judged by."""
        resources = await self._resources(new)
        await asyncio.to_thread(_compile, new, new.subject, self._options, resources)

    async def _resources(self, schema: RegisteredSchema | NewSchema) -> dict[str, JsonSchema]:
        if not schema.references:
            return {}
        deadline = self._engine.settings.retry.deadline
        try:
            async with asyncio.timeout(deadline):
                return await collect_references(schema.references, self._get)
        except TimeoutError:
            raise RegistryUnavailable(
                f"the references of {schema.subject} did not arrive within {deadline:g} s"
            ) from None

    async def _get(self, reference: SchemaRef) -> RegisteredSchema:
        key, ref = ref_key(reference)
        found = self._engine.entry(key, ref, lambda backend: backend.get(ref))
        return (found if isinstance(found, Entry) else await found).known

    def _mind_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the first call, or the first one in a forked child
            self._loop = loop
            self._start_afresh()

    def _start_afresh(self) -> None:
        self._made: LRUCache[_Key, Validator] = LRUCache(self._engine.settings.cache.maxsize)
        self._making: dict[_Key, asyncio.Task[Validator]] = {}


def _compile(
    schema: RegisteredSchema | NewSchema,
    reference: str,
    options: ValidationOptions,
    resources: dict[str, JsonSchema],
) -> Validator:
    from llm_integrations.core.validation import compile_validator

    return compile_validator(
        schema.body,
        options=options,
        resources=resources,
        subject=schema.subject,
        reference=reference,
    )
