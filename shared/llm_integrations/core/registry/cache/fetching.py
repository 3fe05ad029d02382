"""Fetching what the cache keeps, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.concurrency.heavy import in_thread
from llm_integrations.core.errors import (
    InvalidSchema,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.model.schema import DELETED, RegisteredSchema
from llm_integrations.core.observability import (
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_REJECTED,
    CACHE_STALE,
    get_logger,
)
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache.freshness import NEVER, CacheEntry
from llm_integrations.core.registry.cache.single_flight import (
    Freshness,
    InFlightRequest,
    InFlightRequests,
)
from llm_integrations.core.registry.cache.store import SchemaCache
from llm_integrations.core.registry.identity import Identity
from llm_integrations.core.registry.pending import Pending, closed_error
from llm_integrations.core.registry.resilient_backend import ResilientBackend
from llm_integrations.core.registry.settings import Settings

if TYPE_CHECKING:
    from llm_integrations.core.config import ValidationOptions
    from llm_integrations.core.validation import Validator

__all__ = ["Compiled", "Fetches", "warm_fingerprint"]

log = get_logger(__name__)

Compiled: TypeAlias = "Mapping[ValidationOptions | None, Validator]"

_REFRESHES: Final = 8  # at once: a cache that went stale as a whole must not flood its registry
_FOLLOWS: Final = 16  # at once: a burst of events must not either
_LARGE: Final = 500  # objects in a schema; its fingerprint takes milliseconds


async def warm_fingerprint(schema: RegisteredSchema) -> None:
    """Work out a large schema's fingerprint in a thread, before somebody needs it."""
    objects = Documents(schema.shared_body).objects()
    if next(islice(objects, _LARGE, None), None) is not None:
        with suppress(InvalidSchema):  # whoever needs it is told
            await in_thread(getattr, schema, "fingerprint")


class Fetches:
    """The state of a client's cache, and the fetches that keep it up to date.

    One lock guards the cache and the unfinished requests together: with two, a caller could come
    between the end of a request and the storing of its result. It is never held during I/O.
    """

    def __init__(self, settings: Settings, backend: RegistryBackend | None = None) -> None:
        self.settings = settings
        self.registry = ResilientBackend(settings, backend)
        self.url = self.registry.url
        self.identity = Identity(self.registry, settings.registry_id)
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
        self._follows = asyncio.Semaphore(_FOLLOWS)
        self._failing_until = NEVER  # until then nobody waits for a refresh
        self._quiet_until = 0.0
        survive_fork(self)

    @property
    def closed(self) -> bool:
        return self.registry.closed

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
            schema = await self._answer(request)
            compiled = await self._recompile(request.key, schema)
        except SchemaNotFound as error:
            return self._complete_unknown(request, error)
        except (InvalidSchema, RegistryProtocolError) as error:
            copy = self._complete_failed(request, error)
            if copy is None:
                raise
            return copy
        except RegistryError as error:
            self._complete_failed(request, error)
            raise
        return self._complete(request, schema, compiled)

    async def _answer(self, request: InFlightRequest) -> RegisteredSchema:
        try:
            schema = await self.registry.call(request.ask, request.ref)
            await warm_fingerprint(schema)
        except BaseException as error:
            request.answered.reject(error if isinstance(error, RegistryError) else closed_error())
            raise
        request.answered.resolve(schema)
        return schema

    async def _fetched_in_time(self, request: InFlightRequest, copy: CacheEntry) -> CacheEntry:
        patience = self.settings.cache.refresh_wait
        try:
            async with asyncio.timeout(patience):
                return await request
        except TimeoutError:
            with self.lock:
                is_news = self._note_failure()
            self._log_kept(request, f"no answer within {patience:g} s", is_news=is_news)
        except SchemaNotFound:
            raise
        except RegistryError:
            if self.closed:
                raise
        with self.lock:
            self._stale.inc()
        return copy

    async def _follow(self, request: InFlightRequest) -> CacheEntry:
        async with self._follows:
            try:
                return await self._fetch(request)
            except RegistryError:
                with self.lock:
                    copy = self.cache.peek(request.key)
                    if copy is not None and not copy.is_exact:
                        copy.wait_from = NEVER  # it is known to be old
                raise

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
            self._failing_until = NEVER
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
            self._failing_until = NEVER
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
            is_news = self._note_failure(unavailable=isinstance(error, RegistryUnavailable))
            if isinstance(error, InvalidSchema | RegistryProtocolError):
                self._rejections.inc()
                is_news = self.cache.reject(copy, error, now) or is_news
        self._log_kept(request, error, is_news=is_news)
        return copy

    def _note_failure(self, *, unavailable: bool = True) -> bool:
        """Note that a refresh brought nothing; whether that is news. Callers hold the lock."""
        now = time.monotonic()
        pause_ends = now + self.settings.cache.refresh_pause
        if unavailable:
            self._failing_until = pause_ends
        is_news = now >= self._quiet_until
        if is_news:
            self._quiet_until = pause_ends
        return is_news

    def _log_kept(
        self, request: InFlightRequest, reason: RegistryError | str, *, is_news: bool
    ) -> None:
        log.log(
            logging.WARNING if is_news else logging.DEBUG,
            "%s could not be refreshed from %s, its copy goes on being served: %s",
            request.ref or "a schema",
            self.url,
            reason,
            extra={"llmi_registry": self.url, "llmi_reference": str(request.ref)},
        )

    def after_fork(self) -> None:
        """In a forked child: whoever waited for a fetch stayed in the parent."""
        self.lock = threading.Lock()
        self.requests.take_all()
        self._waiting.clear()
        self._refreshes = asyncio.Semaphore(_REFRESHES)
        self._follows = asyncio.Semaphore(_FOLLOWS)
