"""The client's decisions and their execution, shared by the sync and the async face.

One lock guards cache and flights together, so that no caller slips between the end of a fetch and
the moment when its result is in the cache. It is never held during I/O.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llm_integrations.core.errors import (
    LLMIntegrationsError,
    RegistryError,
    RegistryProtocolError,
    RegistryUnavailable,
    SchemaNotFound,
)
from llm_integrations.core.observability import (
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_STALE,
    get_logger,
)
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache import Answer, Entry, SchemaCache, answer, supersedes
from llm_integrations.core.registry.flight import Ask, Fate, Flight, Flights
from llm_integrations.core.registry.fork import survive_fork
from llm_integrations.core.registry.pending import Pending, again, closed_error, launch
from llm_integrations.core.registry.reference import SchemaRef, Version
from llm_integrations.core.registry.schema import RegisteredSchema
from llm_integrations.core.registry.settings import Settings
from llm_integrations.core.resilience.breaker import Breaker
from llm_integrations.core.resilience.retry import retrying

__all__ = ["Engine"]

T = TypeVar("T")
log = get_logger(__name__)


class Engine:
    """Cache, flights, breaker and retries around one backend."""

    def __init__(self, settings: Settings, backend: RegistryBackend | None = None) -> None:
        self.settings = settings
        self._backend: RegistryBackend | None = backend or settings.open()
        self.url = self._backend.url
        self.lock = threading.Lock()
        self.cache = SchemaCache(settings.cache)
        self.flights = Flights()
        self.breaker = Breaker(self.url, settings.breaker)
        self.hits = CACHE_HITS.labels(self.url)
        self._misses = CACHE_MISSES.labels(self.url)
        self._stale = CACHE_STALE.labels(self.url)
        self.closed = False
        self._inherited: list[object] = []
        survive_fork(self)

    # -- asking the cache ----------

    def fresh(self, key: str) -> Entry | None:
        """The hot path: an entry that may be served as it is, without any waiting."""
        with self.lock:
            entry = self.cache.fresh(key, time.monotonic())
        if entry is not None:
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
            entry = self.cache.touch(key)
            verdict = answer(entry, time.monotonic())
            if entry is not None and verdict not in (Answer.FETCH, Answer.REFRESH):
                return self._serve(entry, verdict)
            flight, is_new = self.flights.join(key, ref, ask)
        if is_new:
            launch(lambda: self._fly(flight), flight)
        if entry is not None and verdict is Answer.REFRESH:
            return self._serve(entry, verdict)
        self._misses.inc()
        return flight

    def _serve(self, entry: Entry, verdict: Answer) -> Entry:
        self.hits.inc()
        if entry.error is not None:
            raise again(entry.error)
        if verdict is not Answer.FRESH:
            self._stale.inc()
        return entry

    async def _fly(self, flight: Flight) -> Entry:
        try:
            schema = await self.call(flight.ask)
        except SchemaNotFound as error:
            self._land_unknown(flight, error)
            raise
        except RegistryError as error:
            self._land_failed(flight, error)
            raise
        return self._land(flight, schema)

    def _land(self, flight: Flight, schema: RegisteredSchema) -> Entry:
        now = time.monotonic()
        with self.lock:
            self.flights.land(flight)
            kept = self.cache.peek(flight.key)
            if flight.fate is Fate.DISCARD or self.closed:
                return Entry(flight.key, flight.ref, schema, fresh_until=now)
            if flight.fate is Fate.STALE and kept is not None and now < kept.fresh_until:
                # A fetch that began later was faster.
                return kept
            fresh = flight.fate is Fate.FRESH
            return self.cache.store(flight.key, flight.ref, schema, now, fresh=fresh)

    def _land_unknown(self, flight: Flight, error: SchemaNotFound) -> None:
        with self.lock:
            self.flights.land(flight)
            if flight.fate is Fate.FRESH and not self.closed:
                self.cache.store_unknown(flight.key, flight.ref, error, time.monotonic())

    def _land_failed(self, flight: Flight, error: RegistryError) -> None:
        with self.lock:
            self.flights.land(flight)
            self.cache.pause_refresh(flight.key, time.monotonic())
            has_copy = self.cache.peek(flight.key) is not None
        if has_copy:
            log.warning(
                "%s could not be refreshed from %s, its copy goes on being served: %s",
                flight.ref or "a schema",
                self.url,
                error,
                extra={"llmi_registry": self.url, "llmi_reference": str(flight.ref)},
            )

    # -- asking the registry ----------

    def start(self, work: Callable[[], Awaitable[T]]) -> Pending[T]:
        """Run something on the background loop; the answer is for this caller alone."""
        if self.closed:
            raise closed_error()
        pending: Pending[T] = Pending()
        launch(work, pending)
        return pending

    @property
    def backend(self) -> RegistryBackend:
        if self._backend is None:
            self._backend = self.settings.open()
        return self._backend

    async def call(self, ask: Callable[[RegistryBackend], Awaitable[T]]) -> T:
        """Ask the registry, with breaker, retries and the deadline. Raises RegistryError only."""
        if self.closed:
            raise closed_error()
        with self.breaker.attempt() as permit:
            try:
                result = await retrying(lambda: ask(self.backend), self.settings.retry)
            except RegistryUnavailable as error:
                if error.counts_as_failure:
                    permit.failed()
                raise
            except RegistryProtocolError:
                raise  # one odd answer shows neither that the registry works nor that it does not
            except RegistryError:
                permit.succeeded()  # a refusal is an answer
                raise
            except LLMIntegrationsError:
                raise
            except Exception as error:  # no foreign exception gets out
                raise RegistryError(
                    f"{type(error).__name__} in the client of {self.url}; this is a bug"
                ) from error
            permit.succeeded()
            return result

    # -- hearing of changes ----------

    def mark_stale(self, subject: str | None, version: Version | None = None) -> None:
        with self.lock:
            self.flights.worsen(Fate.STALE, subject, version)
            self.cache.mark_stale(subject, version)

    def mark_latest_stale(self) -> None:
        with self.lock:
            self.flights.worsen(Fate.STALE, None)
            self.cache.mark_latest_stale()

    def drop(self, subject: str, version: Version | None = None) -> None:
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
        with self.lock:
            closing, self.closed = not self.closed, True
            flights = self.flights.take_all()
            self.cache.clear()
        for flight in flights:
            flight.reject(closed_error())
        done: Pending[None] = Pending()
        if closing:
            launch(self.backend.close, done)
        else:
            done.resolve(None)
        return done

    def after_fork(self) -> None:
        """In a forked child: connections and whoever waited for them stayed in the parent."""
        self.lock = threading.Lock()
        self.flights.take_all()
        self.breaker.forget_calls()
        if not self.settings.is_memory:
            self._inherited.append(self._backend)
            self._backend = None
