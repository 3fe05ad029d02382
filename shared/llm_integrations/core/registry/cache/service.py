"""What is served from the cache, and who waits for what is fetched."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar, cast

from llm_integrations.core.model.event import SchemaEvent
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.fetching import Compiled, Fetches
from llm_integrations.core.registry.cache.freshness import (
    NEVER,
    CacheEntry,
    Decision,
    NegativeEntry,
    decide,
    supersedes,
)
from llm_integrations.core.registry.cache.requests import Ask, ask_again, ask_for, key_of
from llm_integrations.core.registry.cache.single_flight import Freshness, InFlightRequest
from llm_integrations.core.registry.pending import Pending, closed_error, copy_of, launch

__all__ = ["CacheService", "Compiled", "Unless"]

T = TypeVar("T")

Unless: TypeAlias = Callable[[CacheEntry], bool]
"""Whether a copy shows a change already."""


class CacheService(Fetches):
    """The cache over one registry; Registry and AsyncRegistry share it."""

    # -- reading ----------

    def fresh(self, key: str) -> CacheEntry | None:
        """The hot path: an entry that may be served as it is, without any waiting."""
        with self.lock:
            entry = self.cache.peek(key)
            if entry is None or time.monotonic() >= entry.fresh_until:
                return None
            self.cache.use(key)
            # Under the lock, so that no fork catches a thread inside the metric's own lock.
            self.hits.inc()
            return entry

    def entry(self, key: str, ref: SchemaRef | None, ask: Ask) -> CacheEntry | Pending[CacheEntry]:
        """The entry of a key, or what to wait for.

        Raises:
            SchemaNotFound: when the registry said so a moment ago.
            RegistryError: when the client is closed.
        """
        with self.lock:
            if self.closed:
                raise closed_error()
            entry = self.cache.find(key)
            decision = self._decide(key, entry)
            if decision is Decision.UNKNOWN:
                raise copy_of(cast("NegativeEntry", entry).error)
            if decision in (Decision.FRESH, Decision.STALE):
                return cast("CacheEntry", entry)
            behind = decision is Decision.REFRESH
            request, is_new = self.requests.join(key, ref, ask, queue=behind)
        if is_new:
            launch(self._refresh(request) if behind else self._fetch(request), request)
        if decision is Decision.FETCH:
            return request
        copy = cast("CacheEntry", entry)
        return copy if behind else self._patiently(request, copy)

    def _decide(self, key: str, entry: CacheEntry | NegativeEntry | None) -> Decision:
        """How a read is served; counted."""
        now = time.monotonic()
        decision = decide(entry, now)
        if decision is Decision.WAIT and isinstance(entry, CacheEntry):
            is_tried_again = entry.has_failed and self.requests.is_under_way(key)
            waits = self.settings.cache.refresh_wait > 0 and now >= self._failing_until
            if is_tried_again or not waits:
                decision = Decision.REFRESH
        if decision in (Decision.FETCH, Decision.WAIT):
            self._misses.inc()
            return decision
        self.hits.inc()
        if decision in (Decision.STALE, Decision.REFRESH):
            self._stale.inc()
        return decision

    def _patiently(self, request: InFlightRequest, copy: CacheEntry) -> Pending[CacheEntry]:
        """What a request brings or, after a while, the copy."""
        with self.lock:
            patient, is_new = request.share_patience()
        if is_new:
            launch(self._fetched_in_time(request, copy), patient)
        return patient

    def schema_entry(self, reference: str | SchemaRef) -> CacheEntry | Pending[CacheEntry]:
        """As ``entry``, for a reference."""
        key, ref = key_of(reference)
        return self.entry(key, ref, ask_for(ref))

    async def get(self, reference: SchemaRef) -> RegisteredSchema:
        """The schema, for what runs on the background loop already."""
        found = self.schema_entry(reference)
        return (found if isinstance(found, CacheEntry) else await found).schema

    async def referenced(self, reference: SchemaRef) -> RegisteredSchema:
        """As ``get``, for what another schema refers to.

        Any copy will do, and an answer before anything was compiled by it: where references form
        a cycle, whoever waited for more would wait for itself.
        """
        key, ref = key_of(reference)
        copy = self.cache.peek(key)
        found = self.entry(key, ref, ask_for(ref))
        if isinstance(found, InFlightRequest):
            return await found.answered
        if isinstance(found, CacheEntry):
            return found.schema
        return (copy or await found).schema

    def in_force(self, reference: str | SchemaRef) -> InFlightRequest:
        """A request that goes past the cache; where it fails, it brings the old copy."""
        key, ref = key_of(reference)
        ask = ask_for(ref)
        with self.lock:
            if self.closed:
                raise closed_error()
            self._misses.inc()
            request, is_new = self.requests.join_past_cache(key, ref, ask)
        if is_new:
            launch(self._fetch_or_old_copy(request), request)
        return request

    # -- work for one caller ----------

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Pending[T]:
        """Run something on the background loop; the answer is for this caller alone."""
        pending: Pending[T] = Pending()
        with self.lock:
            if self.closed:
                raise closed_error()
            self._waiting.add(pending)
        pending.when_done(self._forget)
        launch(work(), pending)
        return pending

    def _forget(self, pending: Pending[Any]) -> None:
        with self.lock:
            self._waiting.discard(pending)

    # -- hearing of changes ----------

    def mark_stale(
        self, subject: str | None, version: Version | None = None, *, unless: Unless | None = None
    ) -> None:
        """A version (None: any, of any subject) changed; a fetch begun before is old as well.

        The next reader waits for a new copy, also where the registry failed just now.
        """
        with self.lock:
            self._failing_until = NEVER
            self.requests.downgrade(Freshness.STALE, subject, version)
            self.cache.mark_stale(subject, version, unless=unless)

    def concerning(self, events: Iterable[SchemaEvent]) -> list[SchemaEvent]:
        """Of some events those of subjects of which something is held, or on its way.

        Most subjects of a registry are in few caches: their events are told apart at once.
        """
        with self.lock:
            if self.requests.some_under_way:
                return list(events)
            return [event for event in events if self.cache.may_hold(event.subject)]

    def follow(
        self, subject: str, changes: Iterable[tuple[Version | None, Unless]]
    ) -> list[InFlightRequest]:
        """As ``mark_stale``, but what was held is fetched now, and readers have it meanwhile."""
        with self.lock:
            if self.closed:
                return []
            held: dict[str, CacheEntry] = {}
            for version, unless in changes:
                self.requests.downgrade(Freshness.STALE, subject, version)
                marked = self.cache.mark_stale(subject, version, unless=unless, wait_from=math.inf)
                held.update((entry.key, entry) for entry in marked)
        return [self.ask_again(entry) for entry in held.values()]

    def ask_again(self, entry: CacheEntry) -> InFlightRequest:
        """A request for what an entry is a copy of, past the cache."""
        with self.lock:
            request, is_new = self.requests.join_past_cache(entry.key, entry.ref, ask_again(entry))
        if is_new:
            launch(self._follow(request), request)
        return request

    def distrust(self, entry: CacheEntry) -> None:
        """The registry's answer may be from before what was heard of: ask again before long."""
        with self.lock:
            entry.mark_stale()
            self.cache.pause_refresh(entry, time.monotonic())

    def mark_latest_stale(self) -> None:
        """Changes may have been missed."""
        with self.lock:
            self.requests.downgrade(Freshness.STALE, None)
            self.cache.mark_latest_stale()

    def drop(self, subject: str, version: Version | None = None) -> None:
        """A version (None: the whole subject) is deleted."""
        with self.lock:
            self.requests.downgrade(Freshness.DISCARD, subject, version)
            self.cache.drop(subject, version)

    def wrote(self, schema: RegisteredSchema) -> None:
        """Let this client read what it has just written."""
        ref, now = schema.ref, time.monotonic()
        with self.lock:
            self.requests.downgrade(Freshness.DISCARD, ref.subject, ref.version)
            self.cache.forget_unknown(ref.subject)
            self.cache.store(str(ref), ref, schema, now)
            latest = self.cache.peek(str(SchemaRef(ref.subject)))
            if latest is not None and supersedes(schema, latest.schema):
                # Where the copy was old, another client may have written a later one still.
                fresh = now < latest.fresh_until
                self.cache.store(latest.key, latest.ref, schema, now, fresh=fresh)

    # -- closing ----------

    def close(self) -> Pending[None]:
        """Turn callers away, those who wait included, and close the connections."""
        done = self.registry.close()
        with self.lock:
            waiting: list[Pending[Any]] = [*self.requests.take_all(), *self._waiting]
            self.cache.clear()
        for pending in waiting:
            pending.reject(closed_error())
        return done
