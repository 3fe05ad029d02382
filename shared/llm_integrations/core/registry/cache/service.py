"""The cache at work: what is served, what is fetched, and who waits for it.

One lock guards cache and flights together, so that no caller slips between the end of a fetch and
the moment when its result is in the cache. It is never held during I/O.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.errors import RegistryError, SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.observability import (
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_STALE,
    get_logger,
)
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache.freshness import (
    Answer,
    Entry,
    Unknown,
    answer,
    supersedes,
)
from llm_integrations.core.registry.cache.single_flight import Ask, Fate, Flight, Flights
from llm_integrations.core.registry.cache.store import SchemaCache
from llm_integrations.core.registry.pending import Pending, again, closed_error, launch
from llm_integrations.core.registry.resilient_backend import GuardedBackend
from llm_integrations.core.registry.settings import Settings

if TYPE_CHECKING:
    from llm_integrations.core.config import ValidationOptions
    from llm_integrations.core.validation import Validator

__all__ = ["Compiled", "Engine"]

T = TypeVar("T")
log = get_logger(__name__)

Compiled: TypeAlias = "Mapping[ValidationOptions | None, Validator]"

_REFRESHES = 8  # at once: a cache that went stale as a whole must not flood its registry


class Engine:
    """Cache and flights over one registry, shared by the sync and the async face."""

    def __init__(self, settings: Settings, backend: RegistryBackend | None = None) -> None:
        self.settings = settings
        self.registry = GuardedBackend(settings, backend)
        self.url = self.registry.url
        self.lock = threading.Lock()
        self.cache = SchemaCache(settings.cache)
        self.flights = Flights()
        self._waiting: set[Pending[Any]] = set()
        # Compiles for a renewed schema what was compiled for its old copy.
        self.recompile: Callable[[Entry, RegisteredSchema], Awaitable[Compiled]] | None = None
        self.hits = CACHE_HITS.labels(self.url)
        self._misses = CACHE_MISSES.labels(self.url)
        self._stale = CACHE_STALE.labels(self.url)
        self._refreshes = asyncio.Semaphore(_REFRESHES)
        self._quiet_until = 0.0
        survive_fork(self)

    @property
    def closed(self) -> bool:
        return self.registry.closed

    # -- asking the cache ----------

    def fresh(self, key: str) -> Entry | None:
        """The hot path: an entry that may be served as it is, without any waiting."""
        with self.lock:
            entry = self.cache.peek(key)
            if entry is None or time.monotonic() >= entry.fresh_until:
                return None
            self.cache.use(key)
            # Under the lock, so that no fork catches a thread inside the metric's own lock.
            self.hits.inc()
            return entry

    def entry(self, key: str, ref: SchemaRef | None, ask: Ask) -> Entry | Flight:
        """What is known about a key, or the fetch under way to wait for.

        Raises:
            SchemaNotFound: when the registry said so a moment ago.
            RegistryError: when the client is closed.
        """
        with self.lock:
            if self.closed:
                raise closed_error()
            entry = self.cache.find(key)
            verdict = answer(entry, time.monotonic())
            self._count(verdict)
            if isinstance(entry, Unknown) and verdict is Answer.UNKNOWN:
                raise again(entry.error)
            served = entry if isinstance(entry, Entry) and verdict is not Answer.FETCH else None
            if served is not None and verdict is not Answer.REFRESH:
                return served
            flight, is_new = self.flights.join(key, ref, ask, queue=served is not None)
        if is_new:
            fly = self._fetch if served is None else self._refresh
            launch(fly(flight), flight)
        return served or flight

    def _count(self, verdict: Answer) -> None:
        if verdict is Answer.FETCH:
            self._misses.inc()
            return
        self.hits.inc()
        if verdict in (Answer.STALE, Answer.REFRESH):
            self._stale.inc()

    # -- fetching ----------

    async def _refresh(self, flight: Flight) -> Entry:
        async with self._refreshes:
            with self.lock:
                entry = self.cache.peek(flight.key)
                if entry is not None and time.monotonic() < entry.fresh_until:
                    self.flights.land(flight)
                    return entry  # written or fetched meanwhile
                ahead = self.flights.dequeue(flight)
            if ahead is flight:
                return await self._fetch(flight)
        # Not while holding a turn: the other may be queueing for one.
        return await ahead

    async def _fetch(self, flight: Flight) -> Entry:
        try:
            schema = await self.registry.call(flight.ask)
        except SchemaNotFound as error:
            self._land_unknown(flight, error)
            raise
        except RegistryError as error:
            self._land_failed(flight, error)
            raise
        try:
            compiled = await self._recompile(flight.key, schema)
        except RegistryError as error:
            self._land_failed(flight, error)
            raise
        return self._land(flight, schema, compiled)

    async def _recompile(self, key: str, schema: RegisteredSchema) -> Compiled:
        """So that nobody who was served a validator from the old copy waits for the new one."""
        with self.lock:
            old = self.cache.peek(key)
        if old is None or self.recompile is None or not old.validators:
            return {}
        return await self.recompile(old, schema)

    def _land(self, flight: Flight, schema: RegisteredSchema, compiled: Compiled) -> Entry:
        now = time.monotonic()
        with self.lock:
            self.flights.land(flight)
            kept = self.cache.peek(flight.key)
            if flight.fate is Fate.DISCARD or self.closed:
                return Entry(flight.key, flight.ref, schema)
            if flight.fate is Fate.STALE and kept is not None and now < kept.fresh_until:
                return kept  # a fetch that began later was faster
            fresh = flight.fate is Fate.FRESH
            entry = self.cache.store(flight.key, flight.ref, schema, now, fresh=fresh)
            entry.validators.update(compiled)
            return entry

    def _land_unknown(self, flight: Flight, error: SchemaNotFound) -> None:
        with self.lock:
            self.flights.land(flight)
            if flight.fate is Fate.FRESH and not self.closed:
                self.cache.store_unknown(flight.key, flight.ref, error, time.monotonic())

    def _land_failed(self, flight: Flight, error: RegistryError) -> None:
        now = time.monotonic()
        with self.lock:
            self.flights.land(flight)
            self.cache.pause_refresh(flight.key, now)
            has_copy = self.cache.peek(flight.key) is not None
            is_news = now >= self._quiet_until
            if has_copy and is_news:
                self._quiet_until = now + self.settings.cache.refresh_pause
        if has_copy:
            log.log(
                logging.WARNING if is_news else logging.DEBUG,
                "%s could not be refreshed from %s, its copy goes on being served: %s",
                flight.ref or "a schema",
                self.url,
                error,
                extra={"llmi_registry": self.url, "llmi_reference": str(flight.ref)},
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
            self.flights.worsen(Fate.STALE, subject, version)
            self.cache.mark_stale(subject, version)

    def mark_latest_stale(self) -> None:
        """Changes may have been missed."""
        with self.lock:
            self.flights.worsen(Fate.STALE, None)
            self.cache.mark_latest_stale()

    def drop(self, subject: str, version: Version | None = None) -> None:
        """A version (None: the whole subject) is deleted."""
        with self.lock:
            self.flights.worsen(Fate.DISCARD, subject, version)
            self.cache.drop(subject, version)

    def wrote(self, schema: RegisteredSchema) -> None:
        """Let this client read what it has just written."""
        ref, now = schema.ref, time.monotonic()
        with self.lock:
            self.flights.worsen(Fate.DISCARD, ref.subject, ref.version)
            self.cache.forget_unknown(ref.subject)
            self.cache.store(str(ref), ref, schema, now)
            latest = self.cache.peek(str(SchemaRef(ref.subject)))
            if latest is not None and supersedes(schema, latest.schema):
                # Where the copy was old, another client may have written a later one still.
                fresh = now < latest.fresh_until
                self.cache.store(latest.key, latest.ref, schema, now, fresh=fresh)

    # -- the end ----------

    def close(self) -> Pending[None]:
        """Turn callers away, those who wait included, and close the connections."""
        done = self.registry.close()
        with self.lock:
            waiting: list[Pending[Any]] = [*self.flights.take_all(), *self._waiting]
            self.cache.clear()
        for pending in waiting:
            pending.reject(closed_error())
        return done

    def after_fork(self) -> None:
        """In a forked child: whoever waited for a fetch stayed in the parent."""
        self.lock = threading.Lock()
        self.flights.take_all()
        self._waiting.clear()
        self._refreshes = asyncio.Semaphore(_REFRESHES)
