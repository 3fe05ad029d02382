"""One request per key, however many callers wait for it."""

from __future__ import annotations

from enum import IntEnum

from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.freshness import CacheEntry, may_mean
from llm_integrations.core.registry.cache.requests import Ask
from llm_integrations.core.registry.pending import Pending

__all__ = ["Freshness", "InFlightRequest", "InFlightRequests"]


class Freshness(IntEnum):
    """How a fetched schema is kept; a change heard of meanwhile can only downgrade it."""

    FRESH = 0
    STALE = 1
    """Invalidated meanwhile: an answer for those who asked before, and a copy for an outage."""
    DISCARD = 2
    """Deleted meanwhile: an answer for those who asked before, and not kept."""


class InFlightRequest(Pending[CacheEntry]):
    """A fetch that was asked for and has not ended.

    Attributes:
        answered: the schema as soon as the registry has sent it, before anything is compiled.
        patient: the outcome for readers who have a copy and wait a little; they share one.
    """

    __slots__ = (
        "answered", "ask", "freshness", "is_queued", "key", "past_cache", "patient", "ref"
    )  # fmt: skip

    def __init__(self, key: str, ref: SchemaRef | None, ask: Ask) -> None:
        super().__init__()
        self.key = key
        self.ref = ref
        self.ask = ask
        self.freshness = Freshness.FRESH
        self.is_queued = False  # a refresh that waits for its turn; nothing has been asked yet
        self.past_cache = False
        self.answered: Pending[RegisteredSchema] = Pending()
        self.patient: Pending[CacheEntry] | None = None

    def share_patience(self) -> tuple[Pending[CacheEntry], bool]:
        """``patient``, and whether it is a new one that the caller has to launch."""
        is_new = self.patient is None
        self.patient = self.patient or Pending()
        return self.patient, is_new

    def concerns(self, subject: str | None, version: Version | None) -> bool:
        """Whether a change of that version (None: of any) can change what the registry answers."""
        # Whose schema an id will bring is not known before it is here.
        if subject is None or self.ref is None:
            return True
        return subject == self.ref.subject and may_mean(self.ref, version)


class InFlightRequests:
    """The unfinished requests, and which of them a new caller may join. Callers hold the lock."""

    def __init__(self) -> None:
        self._running: set[InFlightRequest] = set()
        self._joinable: dict[str, InFlightRequest] = {}

    @property
    def some_under_way(self) -> bool:
        return bool(self._running)

    def is_under_way(self, key: str) -> bool:
        """Whether a fetch that a new caller may join has begun or waits for its turn."""
        return key in self._joinable

    def join(
        self, key: str, ref: SchemaRef | None, ask: Ask, *, queue: bool
    ) -> tuple[InFlightRequest, bool]:
        """The fetch to wait for, and whether it is a new one that the caller has to launch.

        Whoever cannot queue, for lack of a copy to serve meanwhile, overtakes a queued fetch.
        """
        known = self._joinable.get(key)
        if known is not None and (queue or not known.is_queued):
            return known, False
        request = self._begin(key, ref, ask)
        request.is_queued = queue
        return request, True

    def join_past_cache(
        self, key: str, ref: SchemaRef | None, ask: Ask
    ) -> tuple[InFlightRequest, bool]:
        """As ``join``, for who may not be answered by a read that began for the cache's sake.

        Such a read may have been answered before the change that the caller heard of.
        """
        known = self._joinable.get(key)
        if known is not None and known.past_cache:
            return known, False
        if known is not None:
            known.freshness = max(known.freshness, Freshness.STALE)
        request = self._begin(key, ref, ask)
        request.past_cache = True
        return request, True

    def _begin(self, key: str, ref: SchemaRef | None, ask: Ask) -> InFlightRequest:
        request = self._joinable[key] = InFlightRequest(key, ref, ask)
        self._running.add(request)
        return request

    def dequeue(self, request: InFlightRequest) -> InFlightRequest:
        """When its turn has come: the request itself, or the one that overtook it meanwhile."""
        overtaker = self._joinable.setdefault(request.key, request)
        if overtaker is request:
            request.is_queued = False
            request.freshness = Freshness.FRESH
        else:
            self._running.discard(request)
        return overtaker

    def complete(self, request: InFlightRequest) -> None:
        self._running.discard(request)
        self._refuse_joining(request)

    def downgrade(
        self, freshness: Freshness, subject: str | None, version: Version | None = None
    ) -> None:
        """Of the requests that a change concerns: no later caller joins them."""
        for request in self._running:
            if request.concerns(subject, version):
                request.freshness = max(request.freshness, freshness)
                self._refuse_joining(request)

    def take_all(self) -> set[InFlightRequest]:
        requests, self._running = self._running, set()
        self._joinable.clear()
        return requests

    def _refuse_joining(self, request: InFlightRequest) -> None:
        if self._joinable.get(request.key) is request:
            del self._joinable[request.key]
