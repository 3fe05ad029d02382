"""Writing to a registry: incompatible schemas are refused, and changes are published."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from llm_integrations.core.concurrency.heavy import in_thread
from llm_integrations.core.errors import EventError, IncompatibleSchema, SchemaNotFound
from llm_integrations.core.model.changes import (
    content_event,
    deleted_event,
    deprecated_event,
    refused_event,
)
from llm_integrations.core.model.reference import SchemaRef, Version, version_key
from llm_integrations.core.model.schema import JsonSchema, RegisteredSchema, fingerprint_of
from llm_integrations.core.registry.backend import NewSchema, RegistryBackend
from llm_integrations.core.registry.cache.fetching import warm_fingerprint
from llm_integrations.core.registry.pending import BUSES

if TYPE_CHECKING:
    from llm_integrations.core.evolution import CompatibilityReport
    from llm_integrations.core.evolution.model.source import Source
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.registry.cache.service import CacheService
    from llm_integrations.core.registry.cache.validators import Validators
    from llm_integrations.core.registry.settings import Settings

__all__ = ["Policy", "Writes"]

T = TypeVar("T")
Policy = Literal["strict", "lenient"]


class Writes:
    """Every operation of a client that changes the registry, or asks about a change."""

    def __init__(self, service: CacheService, validators: Validators) -> None:
        self._service = service
        self._validators = validators

    async def register(self, new: NewSchema) -> RegisteredSchema:
        await self._validators.check(new)
        checks_here = not self._service.registry.backend.checks_compatibility
        previous = await self._sources(new.subject) if checks_here else {}
        resources = await self._validators.resources(new)
        settings = self._service.settings

        def guard(new: NewSchema, live: Sequence[RegisteredSchema], level: str) -> None:
            _refuse_breaking(new, live, level, resources, previous, settings)

        try:
            schema = await self._service.registry.call(lambda backend: backend.register(new, guard))
        except IncompatibleSchema as error:
            await self._publish_refusal(new, error)
            raise
        await warm_fingerprint(schema)
        self._service.wrote(replace(schema, notes=()))
        await self._publish_registration(schema)
        return schema

    async def deprecate(self, ref: SchemaRef) -> RegisteredSchema:
        schema = await self._service.registry.call(lambda backend: backend.deprecate(ref), ref)
        self._service.wrote(schema)
        await self._publish(lambda registry: deprecated_event(registry, schema))
        return schema

    async def delete(self, ref: SchemaRef, permanent: bool) -> None:
        await self._service.registry.call(
            _when_repeated(lambda backend: backend.delete(ref, permanent=permanent), None), ref
        )
        self._service.drop(ref.subject, ref.version)
        await self._publish_deletion(ref.subject, [ref.version], permanent)

    async def delete_subject(self, subject: str, permanent: bool) -> list[Version]:
        nothing: list[Version] = []
        versions = await self._service.registry.call(
            _when_repeated(
                lambda backend: backend.delete_subject(subject, permanent=permanent), nothing
            ),
            SchemaRef(subject),
        )
        self._service.drop(subject)
        await self._publish_deletion(subject, versions, permanent)
        return versions

    async def check_compatibility(
        self, subject: str, body: JsonSchema, level: str | None, policy: Policy | None
    ) -> CompatibilityReport:
        """Our own verdict, by the policy that was named or strictly.

        Where the server judges as well and no policy was named, its verdict is asked for, and ours
        is by its own policy (lenient). What either refuses is incompatible; a difference is in the
        report's notes.
        """
        backend = self._service.registry.backend
        asks_server = policy is None and backend.checks_compatibility
        wanted = level
        if wanted is None:
            wanted = await self._service.registry.call(lambda b: b.get_compatibility(subject))
        previous = list((await self._sources(subject)).values())
        ours = await in_thread(
            _compare,
            body,
            previous,
            wanted,
            policy or ("lenient" if asks_server else "strict"),
            self._service.settings,
        )
        if not previous:
            note = f"there is no version of {subject!r} to compare with"
            return replace(ours, notes=(*ours.notes, note))
        if not asks_server:
            return ours
        accepted, messages = await self._service.registry.call(
            lambda backend: backend.ask_compatibility(NewSchema(subject, body), wanted)
        )
        return ours.beside_server(accepted, messages)

    async def _sources(self, subject: str) -> dict[Version, Source]:
        """The live versions of a subject with what they refer to, oldest first."""
        from llm_integrations.core.evolution.model.source import Source

        versions = await self._service.registry.call(lambda b: b.versions_if_any(subject))
        schemas = [await self._service.get(SchemaRef(subject, version)) for version in versions]
        return {
            version: Source(schema.body, await self._validators.resources(schema), str(schema))
            for version, schema in zip(versions, schemas, strict=True)
        }

    # -- publishing ----------

    async def _publish(self, *events: Callable[[str], SchemaEvent]) -> None:
        """Where there is a bus, what follows from the registry's name in events."""
        bus = self._service.settings.bus
        if bus is None:
            return
        registry = await self._service.identity.get()
        for event_of in events:
            await BUSES.call(bus.publish(event_of(registry)))

    async def _publish_registration(self, schema: RegisteredSchema) -> None:
        if self._service.settings.bus is None:
            return
        previous = await self._previous(schema)
        try:
            await self._publish(lambda registry: content_event(registry, schema, previous))
        except EventError as error:
            raise EventError(
                f"{schema} is registered but was not published ({error}); registering it again "
                "publishes it"
            ) from error

    async def _previous(self, schema: RegisteredSchema) -> Version | None:
        ref = schema.ref
        versions = await self._service.registry.call(lambda b: b.versions(ref.subject))
        mine = version_key(ref.version)
        older = [
            version
            for version in versions
            if version_key(version) < mine and not SchemaRef(ref.subject, version).is_prerelease
        ]
        return max(older, key=version_key, default=None)

    async def _publish_deletion(
        self, subject: str, versions: Sequence[Version], permanent: bool
    ) -> None:
        about = partial(deleted_event, subject=subject, permanent=permanent)
        await self._publish(*(partial(about, version=version) for version in versions))

    async def _publish_refusal(self, new: NewSchema, error: IncompatibleSchema) -> None:
        violations = error.report.messages if error.report is not None else (str(error),)
        await self._publish(
            lambda registry: refused_event(
                registry,
                new.subject,
                new.version,
                fingerprint=fingerprint_of(new.body),
                violations=violations,
            )
        )


def _compare(
    body: JsonSchema | Source,
    previous: Sequence[Source],
    level: str,
    policy: Policy,
    settings: Settings,
) -> CompatibilityReport:
    from llm_integrations.core.evolution import check_compatibility

    options, limits = settings.validation, settings.limits
    return check_compatibility(body, previous, level, policy, options=options, limits=limits)


def _refuse_breaking(
    new: NewSchema,
    live: Sequence[RegisteredSchema],
    level: str,
    resources: dict[str, JsonSchema],
    sources: dict[Version, Source],
    settings: Settings,
) -> None:
    """The check for registries without one of their own; they call it under their lock."""
    from llm_integrations.core.evolution.model.source import Source

    if not live or level == "NONE":
        return
    previous = [
        sources.get(schema.ref.version) or Source(schema.body, {}, str(schema)) for schema in live
    ]
    body = Source(new.body, resources)
    report = _compare(body, previous, level, settings.policy, settings)
    report.raise_if_incompatible(new.subject)


def _when_repeated(
    delete: Callable[[RegistryBackend], Awaitable[T]], already_gone: T
) -> Callable[[RegistryBackend], Awaitable[T]]:
    """A deletion whose answer was lost has happened when it is tried again."""
    attempts = 0

    async def attempt(backend: RegistryBackend) -> T:
        nonlocal attempts
        attempts += 1
        try:
            return await delete(backend)
        except SchemaNotFound:
            if attempts == 1:
                raise
            return already_gone

    return attempt
