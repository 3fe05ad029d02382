"""What is served from the cache, what is fetched, and who waits for it.

One lock guards the cache and the unfinished requests together: with two, a caller could come
between the end of a request and the storing of its result. It is never held during I/O.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.errors import (
    InvalidSchema,
    RegistryError,
    RegistryProtocolError,
    SchemaNotFound,
)
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import DELETED, RegisteredSchema
from llm_integrations.core.observability import (
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_REJECTED,
    CACHE_STALE,
    get_logger,
)
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache.freshness import (
    CacheEntry,
    Decision,
    NegativeEntry,
    decide,
    supersedes,
)
from llm_integrations.core.registry.cache.requests import Ask, ask_for, key_of
from llm_integrations.core.registry.cache.single_flight import (
    Freshness,
    InFlightRequest,
    InFlightRequests,
)
from llm_integrations.core.registry.cache.store import SchemaCache
from llm_integrations.core.registry.pending import Pending, closed_error, copy_of, launch
from llm_integrations.core.registry.resilient_backend import ResilientBackend
from llm_integrations.core.registry.settings import Settings

if TYPE_CHECKING:
    from llm_integrations.core.config import ValidationOptions
    from llm_integrations.core.validation import Validator

__all__ = ["CacheService", "Compiled"]

T = TypeVar("T")
log = get_logger(__name__)

Compiled: TypeAlias = "Mapping[ValidationOptions | None, Validator]"

_REFRESHES = 8  # at once: a cache that went stale as a whole must not flood its registry


class CacheService:
    """The cache over one registry; Registry and AsyncRegistry share it."""

    def __init__(self, settings: Settings, backend: RegistryBackend | None = None) -> None:
        self.settings = settings
        self.registry = ResilientBackend(settings, backend)
        self.url = self.registry.url
        self.lock = threading.Lock()
        self.cache = SchemaCache(settings.cache)
        self.requests = InFlightRequests()
        self._waiting: set[Pending[Any]] = set()
        # Compiles for a renewed schema what was compiled for its old copy.
        self.recompile: Callable[[CacheEntry, RegisteredSchema], Awaitable[Compiled]] | None = None
        self.hits = CACHE_HITS.labels(self.url)
        self._misses = CACHE_MISSES.labels(self.url)
        self._stale = CACHE_STALE.labels(self.url)
        self._rejections = CACHE_REJECTED.labels(self.url)
        self._refreshes = asyncio.Semaphore(_REFRESHES)
        self._quiet_until = 0.0
        survive_fork(self)

    @property
    def closed(self) -> bool:
        return self.registry.closed

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

    def entry(self, key: str, ref: SchemaRef | None, ask: Ask) -> CacheEntry | InFlightRequest:
        """The entry of a key, or the request to wait for.

        Raises:
            SchemaNotFound: when the registry said so a moment ago.
            RegistryError: when the client is closed.
        """
        with self.lock:
            if self.closed:
                raise closed_error()
            entry = self.cache.find(key)
            decision = decide(entry, time.monotonic())
            self._count(decision)
            if isinstance(entry, NegativeEntry) and decision is Decision.UNKNOWN:
                raise copy_of(entry.error)
            is_copy = isinstance(entry, CacheEntry) and decision is not Decision.FETCH
            served = cast("CacheEntry", entry) if is_copy else None
            if served is not None and decision is not Decision.REFRESH:
                return served
            request, is_new = self.requests.join(key, ref, ask, queue=served is not None)
        if is_new:
            fetch = self._fetch if served is None else self._refresh
            launch(fetch(request), request)
        return served or request

    def schema_entry(self, reference: str | SchemaRef) -> CacheEntry | InFlightRequest:
        """As ``entry``, for a reference."""
        key, ref = key_of(reference)
        return self.entry(key, ref, ask_for(ref))

    async def get(self, reference: SchemaRef) -> RegisteredSchema:
        """The schema, for what runs on the background loop already."""
        found = self.schema_entry(reference)
        return (found if isinstance(found, CacheEntry) else await found).schema

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

    def _count(self, decision: Decision) -> None:
        if decision is Decision.FETCH:
            self._misses.inc()
            return
        self.hits.inc()
        if decision in (Decision.STALE, Decision.REFRESH):
            self._stale.inc()

    # -- fetching ----------

    async def _refresh(self, request: InFlightRequest) -> CacheEntry:
        async with self._refreshes:
            with self.lock:
                entry = self.cache.peek(request.key)
                if entry is not None and time.monotonic() < entry.fresh_until:
                    self.requests.complete(request)
                    return entry  # written or fetched while this waited for its turn
                ahead = self.requests.dequeue(request)
            if ahead is request:
                return await self._fetch(request)
        # Outside the semaphore: the other request may be waiting for it.
        return await ahead

    async def _fetch(self, request: InFlightRequest) -> CacheEntry:
        try:
            schema = await self.registry.call(request.ask)
            compiled = await self._recompile(request.key, schema)
        except SchemaNotFound as error:
            return self._complete_unknown(request, error)
        except InvalidSchema as error:
            copy = self._complete_failed(request, error)
            if copy is None:
                raise
            return copy
        except RegistryError as error:
            self._complete_failed(request, error)
            raise
        return self._complete(request, schema, compiled)

    async def _fetch_or_old_copy(self, request: InFlightRequest) -> CacheEntry:
        try:
            return await self._fetch(request)
        except SchemaNotFound:
            raise
        except RegistryError:
            with self.lock:
                copy = self.cache.peek(request.key)
                if copy is None or time.monotonic() >= copy.stale_until:
                    raise
                self._stale.inc()
            return copy

    async def _recompile(self, key: str, schema: RegisteredSchema) -> Compiled:
        """The validators of a fetched schema, so that nobody waits for them afterwards.

        Raises:
            InvalidSchema: nothing can be judged by it, where the copy can be used.
        """
        with self.lock:
            old = self.cache.peek(key)
        if old is None or self.recompile is None:
            return {}
        return await self.recompile(old, schema)

    def _complete(
        self, request: InFlightRequest, schema: RegisteredSchema, compiled: Compiled
    ) -> CacheEntry:
        now = time.monotonic()
        with self.lock:
            self.requests.complete(request)
            kept = self.cache.peek(request.key)
            if request.freshness is Freshness.DISCARD or self.closed:
                return CacheEntry(request.key, request.ref, schema)
            if request.freshness is Freshness.STALE and kept is not None and now < kept.fresh_until:
                return kept  # of a request that began later and came first
            fresh = request.freshness is Freshness.FRESH
            entry = self.cache.store(request.key, request.ref, schema, now, fresh=fresh)
            entry.validators.update(compiled)
            return entry

    def _complete_unknown(self, request: InFlightRequest, error: SchemaNotFound) -> CacheEntry:
        """The registry has no such schema; the copy of an exact version outlives that, marked."""
        now = time.monotonic()
        with self.lock:
            self.requests.complete(request)
            copy = self.cache.peek(request.key)
            if copy is None or not copy.is_exact:
                if request.freshness is Freshness.FRESH and not self.closed:
                    self.cache.store_unknown(request.key, request.ref, error, now)
                raise error
            fresh = request.freshness is Freshness.FRESH
            if not fresh and now < copy.fresh_until:
                return copy  # of a request that began later and came first
            self._rejections.inc()
            marked = replace(copy.schema, state=DELETED)
            kept = self.cache.store(copy.key, copy.ref, marked, now, fresh=fresh)
            kept.validators.update(copy.validators)
            kept.rejected = str(error)
        self._log_kept(request, error, is_news=copy.schema.state != DELETED)
        return kept

    def _complete_failed(self, request: InFlightRequest, error: RegistryError) -> CacheEntry | None:
        """The copy that goes on being served, if there is one."""
        now = time.monotonic()
        with self.lock:
            self.requests.complete(request)
            copy = self.cache.peek(request.key)
            if copy is None:
                return None
            self.cache.pause_refresh(copy, now)
            if isinstance(error, InvalidSchema | RegistryProtocolError):
                self._rejections.inc()
                self.cache.reject(copy, error, now)
            is_news = now >= self._quiet_until
            if is_news:
                self._quiet_until = now + self.settings.cache.refresh_pause
        self._log_kept(request, error, is_news=is_news)
        return copy

    def _log_kept(self, request: InFlightRequest, error: RegistryError, *, is_news: bool) -> None:
        log.log(
            logging.WARNING if is_news else logging.DEBUG,
            "%s could not be refreshed from %s, its copy goes on being served: %s",
            request.ref or "a schema",
            self.url,
            error,
            extra={"llmi_registry": self.url, "llmi_reference": str(request.ref)},
        )

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

    def mark_stale(self, subject: str | None, version: Version | None = None) -> None:
        """A version (None: any, of any subject) changed; a fetch begun before is old as well."""
        with self.lock:
            self.requests.downgrade(Freshness.STALE, subject, version)
            self.cache.mark_stale(subject, version)

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

    def after_fork(self) -> None:
        """In a forked child: whoever waited for a fetch stayed in the parent."""
        self.lock = threading.Lock()
        self.requests.take_all()
        self._waiting.clear()
        self._refreshes = asyncio.Semaphore(_REFRESHES)
