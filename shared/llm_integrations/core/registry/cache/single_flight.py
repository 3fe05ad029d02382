"""One request per key, however many callers wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum

from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.backend import RegistryBackend
from llm_integrations.core.registry.cache.freshness import Entry, may_mean
from llm_integrations.core.registry.pending import Pending

__all__ = ["Ask", "Fate", "Flight", "Flights"]

Ask = Callable[[RegistryBackend], Awaitable[RegisteredSchema]]


class Fate(IntEnum):
    """What becomes of a fetched schema; a change that comes in meanwhile can only worsen it."""

    FRESH = 0
    STALE = 1
    """Invalidated on the way: an answer for those who asked before, and a copy for bad times."""
    DISCARD = 2
    """Deleted on the way."""


class Flight(Pending[Entry]):
    """A fetch under way."""

    __slots__ = ("ask", "fate", "is_queued", "key", "ref")

    def __init__(self, key: str, ref: SchemaRef | None, ask: Ask) -> None:
        super().__init__()
        self.key = key
        self.ref = ref
        self.ask = ask
        self.fate = Fate.FRESH
        self.is_queued = False  # a refresh that waits for its turn; nothing has been asked yet

    def concerns(self, subject: str | None, version: Version | None) -> bool:
        """Whether a change of that version (None: of any) can change what this will bring."""
        # Whose schema an id will bring is not known before it is here.
        if subject is None or self.ref is None:
            return True
        return subject == self.ref.subject and may_mean(self.ref, version)


class Flights:
    """The fetches under way, and which of them a new caller may join. Callers hold the lock."""

    def __init__(self) -> None:
        self._flying: set[Flight] = set()
        self._joinable: dict[str, Flight] = {}

    def join(
        self, key: str, ref: SchemaRef | None, ask: Ask, *, queue: bool
    ) -> tuple[Flight, bool]:
        """The fetch to wait for, and whether it is a new one that the caller has to launch.

        Whoever cannot queue, for lack of a copy to serve meanwhile, overtakes a queued fetch.
        """
        known = self._joinable.get(key)
        if known is not None and (queue or not known.is_queued):
            return known, False
        flight = self._joinable[key] = Flight(key, ref, ask)
        flight.is_queued = queue
        self._flying.add(flight)
        return flight, True

    def dequeue(self, flight: Flight) -> Flight:
        """Its turn has come: the flight itself, as good as new, or the one that overtook it."""
        overtaker = self._joinable.setdefault(flight.key, flight)
        if overtaker is flight:
            flight.is_queued = False
            flight.fate = Fate.FRESH
        else:
            self._flying.discard(flight)
        return overtaker

    def land(self, flight: Flight) -> None:
        self._flying.discard(flight)
        self._bar(flight)

    def worsen(self, fate: Fate, subject: str | None, version: Version | None = None) -> None:
        """Whoever asks from now on gets a fetch that begins now."""
        for flight in self._flying:
            if flight.concerns(subject, version):
                flight.fate = max(flight.fate, fate)
                self._bar(flight)

    def take_all(self) -> set[Flight]:
        flights, self._flying = self._flying, set()
        self._joinable.clear()
        return flights

    def _bar(self, flight: Flight) -> None:
        if self._joinable.get(flight.key) is flight:
            del self._joinable[flight.key]
