"""Compiled validators of registered schemas: references resolved, each compiled once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from cachetools import LRUCache

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.concurrency.heavy import in_thread
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidSchema, RegistryUnavailable, SchemaNotFound
from llm_integrations.core.model.rule import Rule
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry.backend import NewSchema
from llm_integrations.core.registry.cache.fetching import Compiled, warm_fingerprint
from llm_integrations.core.registry.cache.freshness import CacheEntry
from llm_integrations.core.registry.cache.service import CacheService
from llm_integrations.core.registry.pending import Pending
from llm_integrations.core.registry.references import collect_references

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["Validators"]

log = get_logger(__name__)

_Key: TypeAlias = tuple[str, str, tuple[Rule, ...], ValidationOptions, tuple[tuple[str, str], ...]]


class Validators:
    """Makes validators for a client and keeps as many as it keeps schemas."""

    def __init__(self, service: CacheService) -> None:
        self._service = service
        self._options = service.settings.validation
        self._made: LRUCache[_Key, Validator] = LRUCache(service.settings.cache.maxsize)
        self._making: dict[_Key, asyncio.Task[Validator]] = {}  # background loop only
        self.lock = threading.Lock()
        survive_fork(self)
        service.recompile = self.recompile

    def of(
        self, found: CacheEntry | Pending[CacheEntry], options: ValidationOptions | None
    ) -> Validator | Pending[Validator]:
        """The validator of an entry, at once if there is one already."""
        if isinstance(found, CacheEntry) and options in found.validators:
            return found.validators[options]
        return self._service.start(lambda: self._of(found, options))

    async def _of(
        self, found: CacheEntry | Pending[CacheEntry], options: ValidationOptions | None
    ) -> Validator:
        entry = found if isinstance(found, CacheEntry) else await found
        validator = await self.make(entry.schema, options)
        entry.validators[options] = validator
        return validator

    def ready(
        self, schema: RegisteredSchema, options: ValidationOptions | None
    ) -> Validator | None:
        """What is compiled already. With references it takes the registry to know which it is."""
        return None if schema.references else self._known(self._key(schema, options, {}))

    async def recompile(self, old: CacheEntry, schema: RegisteredSchema) -> Compiled:
        """For a renewed schema, the validators that its old copy had.

        Raises:
            InvalidSchema: nothing can be judged by it, where the old copy does.
            RegistryError: when the references cannot be had now; the old copy is of more use then.
        """
        before = (old.schema.fingerprint, old.schema.rules)
        changed = before != (schema.fingerprint, schema.rules)
        wanted = list(old.validators) or ([None] if changed else [])
        try:
            return {options: await self._make_usable(schema, options) for options in wanted}
        except InvalidSchema:
            if old.validators or await self._is_usable(old.schema):
                raise
            return {}

    async def _make_usable(
        self, schema: RegisteredSchema, options: ValidationOptions | None
    ) -> Validator:
        try:
            return await self.make(schema, options)
        except SchemaNotFound as error:
            raise InvalidSchema(f"{schema} refers to what is not there: {error}") from None

    async def _is_usable(self, schema: RegisteredSchema) -> bool:
        try:
            await self._make_usable(schema, None)
        except InvalidSchema:
            return False
        return True

    async def make(
        self, schema: RegisteredSchema, options: ValidationOptions | None = None
    ) -> Validator:
        """Compile, unless an equal schema was compiled with equal options and references."""
        referenced = await self._referenced(schema)
        await warm_fingerprint(schema)
        key = self._key(schema, options, referenced)
        made = self._known(key)
        if made is not None:
            return made
        if key not in self._making:
            resources = {name: other.shared_body for name, other in referenced.items()}
            self._making[key] = asyncio.create_task(self._compile(key, schema, resources))
        return await asyncio.shield(self._making[key])

    def _key(
        self,
        schema: RegisteredSchema,
        options: ValidationOptions | None,
        referenced: Mapping[str, RegisteredSchema],
    ) -> _Key:
        others = tuple((name, other.fingerprint) for name, other in sorted(referenced.items()))
        return str(schema), schema.fingerprint, schema.rules, options or self._options, others

    def _known(self, key: _Key) -> Validator | None:
        with self.lock:
            return self._made.get(key)

    async def _compile(
        self, key: _Key, schema: RegisteredSchema, resources: dict[str, JsonSchema]
    ) -> Validator:
        try:
            # Large schemas take a while, and this thread serves everybody.
            validator = await in_thread(_compile, schema, str(schema), key[3], resources)
            with self.lock:
                self._made[key] = validator
            return validator
        finally:
            self._making.pop(key, None)

    async def check(self, new: NewSchema) -> None:
        """Raise InvalidSchema, with the reason, for a schema that nothing could be judged by."""
        resources = await self.resources(new)
        await in_thread(_compile, new, new.subject, self._options, resources)

    async def resources(self, schema: RegisteredSchema | NewSchema) -> dict[str, JsonSchema]:
        """The bodies of what a schema refers to, directly or not, by the names that it uses."""
        return {name: other.shared_body for name, other in (await self._referenced(schema)).items()}

    async def _referenced(
        self, schema: RegisteredSchema | NewSchema
    ) -> Mapping[str, RegisteredSchema]:
        if not schema.references:
            return {}
        deadline = self._service.settings.retry.deadline
        try:
            async with asyncio.timeout(deadline):
                return await collect_references(schema.references, self._service.referenced)
        except TimeoutError:
            raise RegistryUnavailable(
                f"the references of {schema.subject} did not answer within {deadline:g} s"
            ) from None

    def after_fork(self) -> None:
        """In a forked child: what was being compiled is being compiled in the parent."""
        self.lock = threading.Lock()
        self._making = {}


def _compile(
    schema: RegisteredSchema | NewSchema,
    reference: str,
    options: ValidationOptions,
    resources: dict[str, JsonSchema],
) -> Validator:
    from llm_integrations.core.validation import compile_validator

    # It copies what it is given.
    body = schema.shared_body if isinstance(schema, RegisteredSchema) else schema.body
    validator = compile_validator(
        body,
        options=options,
        resources=resources,
        subject=schema.subject,
        reference=reference,
        rules=schema.rules,
    )
    if validator.rules is not None and validator.rules.warnings:
        log.warning("%s: %s", reference, "; ".join(validator.rules.warnings))
    return validator
