"""The table of cache entries: by key, by subject, and by last use. No I/O, no clock, no lock."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from llm_integrations.core.config import CacheOptions
from llm_integrations.core.errors import RegistryError, SchemaNotFound
from llm_integrations.core.model.reference import SchemaRef, Version
from llm_integrations.core.model.schema import RegisteredSchema
from llm_integrations.core.registry.cache.freshness import NEVER, CacheEntry, NegativeEntry

__all__ = ["SchemaCache"]

E = TypeVar("E", CacheEntry, NegativeEntry)


class _Table(Generic[E]):
    """Entries by key, the least recently used first, and their keys by subject."""

    def __init__(self, maxsize: int) -> None:
        self.entries: OrderedDict[str, E] = OrderedDict()
        self._maxsize = maxsize
        self.keys_of: dict[str | None, set[str]] = {}

    def put(self, entry: E) -> None:
        self.drop(entry.key)
        self.entries[entry.key] = entry
        self.keys_of.setdefault(entry.subject, set()).add(entry.key)
        if len(self.entries) > self._maxsize:
            self.drop(next(iter(self.entries)))

    def drop(self, key: str) -> None:
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        keys = self.keys_of[entry.subject]
        keys.discard(key)
        if not keys:
            del self.keys_of[entry.subject]

    def of(self, subject: str | None) -> list[E]:
        """The entries of a subject (None: of none, as ids are until their schema is known)."""
        return [self.entries[key] for key in self.keys_of.get(subject, ())]

    def all(self) -> list[E]:
        return list(self.entries.values())

    def clear(self) -> None:
        self.entries.clear()
        self.keys_of.clear()


class SchemaCache:
    """Entries and negative entries, in a table each. Callers hold the lock of the service.

    In one table, whoever can name subjects could push the entries out with unknown ones.
    """

    def __init__(self, options: CacheOptions) -> None:
        self.options = options
        self._known: _Table[CacheEntry] = _Table(options.maxsize)
        self._unknown: _Table[NegativeEntry] = _Table(options.maxsize)
        # Bound once, for the hot path.
        self.peek = self._known.entries.get
        self.use = self._known.entries.move_to_end

    def __len__(self) -> int:
        return len(self._known.entries)

    def may_hold(self, subject: str) -> bool:
        """Whether there is an entry of a subject, or an unknown id, which may be of any."""
        unknown = self._unknown.keys_of
        return subject in self._known.keys_of or subject in unknown or None in unknown

    def find(self, key: str) -> CacheEntry | NegativeEntry | None:
        """The entry of a key, which becomes the most recently used."""
        entry = self.peek(key)
        if entry is None:
            return self._unknown.entries.get(key)
        self.use(key)
        return entry

    def store(
        self,
        key: str,
        ref: SchemaRef | None,
        schema: RegisteredSchema,
        now: float,
        *,
        fresh: bool = True,
    ) -> CacheEntry:
        """Keep a copy; for one that is not fresh, readers wait as they would for the one before."""
        kept = self.peek(key)
        entry = CacheEntry(key, ref, schema, fresh_until=now + self.options.ttl if fresh else NEVER)
        self._extend(entry, now)
        if not fresh:
            entry.wait_from = NEVER if kept is None else kept.wait_from
        self._unknown.drop(key)
        self._known.put(entry)
        return entry

    def store_unknown(
        self, key: str, ref: SchemaRef | None, error: SchemaNotFound, now: float
    ) -> None:
        """Remember for a short while that the registry does not know it."""
        self._known.drop(key)
        self._unknown.put(NegativeEntry(key, ref, error, now + self.options.negative_ttl))

    def pause_refresh(self, entry: CacheEntry, now: float) -> None:
        """After a failed refresh."""
        entry.refresh_at = now + self.options.refresh_pause

    def reject(self, entry: CacheEntry, error: RegistryError, now: float) -> bool:
        """The registry's answer is of no use, and the last good copy stays in force.

        The registry works: it is no outage, which has a limit. True when the reason is news.
        """
        known, entry.rejected = entry.rejected, str(error)
        self._extend(entry, now)
        return known != entry.rejected

    def _extend(self, entry: CacheEntry, now: float) -> None:
        # The body of an exact version cannot change: nothing but the LRU order drops it, and by its
        # age alone nobody waits.
        at_once, expired = self.options.stale_while_revalidate, now + self.options.ttl
        entry.wait_from = math.inf if entry.is_exact else expired + at_once
        limit = expired + max(at_once, self.options.stale_ttl)
        entry.stale_until = math.inf if entry.is_exact else limit

    def rejected(self) -> dict[str, str]:
        """Of the copies that an answer did not replace: the reason, by reference or id."""
        return {
            str(entry.ref or entry.schema.id): entry.rejected
            for entry in self._known.all()
            if entry.rejected is not None
        }

    def mark_stale(
        self,
        subject: str | None,
        version: Version | None = None,
        *,
        unless: Callable[[CacheEntry], bool] | None = None,
        wait_from: float = NEVER,
    ) -> list[CacheEntry]:
        """What a change concerns: its readers wait for a new copy from then on.

        The unknown is asked for again.
        """
        known = self._known.all() if subject is None else self._known.of(subject)
        concerned = [
            entry
            for entry in known
            if entry.concerns(version) and not (unless is not None and unless(entry))
        ]
        for entry in concerned:
            entry.mark_stale(wait_from)
        self.forget_unknown(subject)
        return concerned

    def mark_latest_stale(self) -> None:
        """For when changes may have been missed: it is refreshed, and nobody waits for that."""
        for entry in self._known.all():
            if entry.ref is not None and entry.ref.is_latest:
                entry.mark_stale()
        self.forget_unknown(None)

    def drop(self, subject: str, version: Version | None = None) -> None:
        """A deleted version (None: the whole subject) is served no more."""
        for entry in self._known.of(subject):
            if entry.holds(version):
                self._known.drop(entry.key)
        self.forget_unknown(subject)

    def forget_unknown(self, subject: str | None) -> None:
        """Something of the subject (None: of any) was written."""
        # An id that was unknown may be the new schema's.
        gone = [*self._unknown.of(subject), *self._unknown.of(None)]
        for entry in self._unknown.all() if subject is None else gone:
            self._unknown.drop(entry.key)

    def clear(self) -> None:
        self._known.clear()
        self._unknown.clear()
