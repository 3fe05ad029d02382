"""What both clients answer out of the cache, without asking the registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from llm_integrations.core.config import ValidationOptions, check_validation_options
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.event_follower import apply_event, check_events, follow
from llm_integrations.core.registry.cache.freshness import CacheEntry
from llm_integrations.core.registry.cache.requests import key_of
from llm_integrations.core.registry.cache.service import CacheService
from llm_integrations.core.registry.operations import Operations
from llm_integrations.core.registry.pending import Pending

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
        check_validation_options(options)
        entry = self._service.fresh(key_of(reference)[0])
        if entry is None and self.peek(reference) is not None:
            found = self._service.schema_entry(reference)  # an old copy, and a refresh behind it
            entry = found if isinstance(found, CacheEntry) else None
        return None if entry is None else entry.validators.get(options)

    def invalidate(self, reference: str | SchemaRef | None = None) -> None:
        """Mark copies stale: of one exact version, of a whole subject, or (None) of everything.

        The next read is fresh: it waits for the registry, and gets the copy if that fails or takes
        longer than ``CacheOptions.refresh_wait``. So this is no error during an outage.
        """
        if reference is None:
            self._service.mark_stale(None)
            return
        _, ref = key_of(reference)
        self._service.mark_stale(ref.subject, None if ref.is_latest else ref.version)

    def mark_latest_stale(self) -> None:
        """Changes may have been missed: every ``latest`` is refreshed, behind its readers."""
        self._service.mark_latest_stale()

    def apply_event(self, event: SchemaEvent) -> None:
        """Let the cache follow a change that was heard of: the next read of it is fresh.

        As ``invalidate``; but a deletion drops.
        """
        check_events([event])
        apply_event(self._service, event)

    def follow(self, events: Iterable[SchemaEvent]) -> Pending[bool]:
        """``apply_event`` for who acts by the events afterwards, as handlers and listeners do.

        What the cache held is fetched now, and until it is here its readers get the old copies at
        once. ``wait()`` for the outcome, or await it: whether the registry answered for all of it;
        where it did not, the copies are kept, marked stale.
        """
        return follow(self._service, check_events(events))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Connections and cache are there to be shared.
        return self
