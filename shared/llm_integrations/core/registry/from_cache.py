"""What both clients answer out of the cache, without asking the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.errors import InvalidReference
from llm_integrations.core.model.reference import LATEST, SchemaRef, Version, parse_version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.freshness import CacheEntry
from llm_integrations.core.registry.cache.requests import key_of
from llm_integrations.core.registry.cache.service import CacheService
from llm_integrations.core.registry.operations import Operations

if TYPE_CHECKING:
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.validation import Validator

__all__ = ["FromCache"]


class FromCache:
    """The base of Registry and AsyncRegistry.

    Attributes:
        url: the registry's URL, without credentials.
        validation: how ``validator`` judges unless told otherwise.
    """

    def __init__(self, service: CacheService, operations: Operations) -> None:
        self._service = service
        self._operations = operations
        self.url = service.url
        self.validation = service.settings.validation

    def peek(self, reference: str | SchemaRef) -> RegisteredSchema | None:
        """What the cache holds, old copies included; never asks the registry."""
        key, _ = key_of(reference)
        with self._service.lock:
            entry = self._service.cache.peek(key)
        return None if entry is None else entry.schema

    def ready_validator(
        self, reference: str | SchemaRef, *, options: ValidationOptions | None = None
    ) -> Validator | None:
        """The validator in force if no waiting is needed, else None: for a server's hot path."""
        entry = self._service.fresh(key_of(reference)[0])
        if entry is None and self.peek(reference) is not None:
            found = self._service.schema_entry(reference)  # an old copy, and a refresh behind it
            entry = found if isinstance(found, CacheEntry) else None
        return None if entry is None else entry.validators.get(options)

    def invalidate(self, reference: str | SchemaRef | None = None) -> None:
        """Mark copies stale: of one exact version, of a whole subject, or (None) of everything.

        They are still served while one refresh runs, so this is no error during an outage.
        """
        if reference is None:
            self._service.mark_stale(None)
            return
        _, ref = key_of(reference)
        self._service.mark_stale(ref.subject, None if ref.is_latest else ref.version)

    def mark_latest_stale(self) -> None:
        """Mark every ``latest`` stale: changes may have been missed."""
        self._service.mark_latest_stale()

    def apply_event(self, event: SchemaEvent) -> None:
        """Let the cache follow a change that was heard of.

        It marks stale, so that an event during an outage is no error; a deletion drops.
        """
        version = _version_of(event)
        if event.event_type == "deleted":
            self._service.drop(event.subject, version)
        elif event.event_type != "compatibility_violated":
            self._service.mark_stale(event.subject, version)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Connections and cache are there to be shared.
        return self


def _version_of(event: SchemaEvent) -> Version | None:
    try:
        version = parse_version(event.version)
    except InvalidReference:
        return None  # not one version: the whole subject is meant
    return None if version == LATEST else version
