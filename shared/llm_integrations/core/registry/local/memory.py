"""A registry in memory: for tests, notebooks and examples."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from llm_integrations.core.concurrency.weak import HeldWeakly
from llm_integrations.core.errors import SchemaNotFound
from llm_integrations.core.model.reference import Version
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.registry.local.backend import LocalBackend
from llm_integrations.core.registry.local.ledger import Ledger

__all__ = ["MemoryBackend"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _MemorySubject:
    ledger: Ledger
    bodies: Mapping[tuple[str, Version], JsonSchema]

    def numbers(self) -> list[Version]:
        return [entry.version for entry in self.ledger.entries]

    def body(self, version: Version) -> JsonSchema:
        try:
            return self.bodies[self.ledger.subject, version]
        except KeyError:
            raise SchemaNotFound(f"{self.ledger.subject!r} has no version {version}") from None


class _MemoryStore:
    """Ledgers are immutable and replaced whole, so that readers need no lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ledgers: dict[str, Ledger] = {}
        self._bodies: dict[tuple[str, Version], JsonSchema] = {}
        self._level: str | None = None
        _stores.add(self)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {
                "_ledgers": dict(self._ledgers),
                "_bodies": dict(self._bodies),
                "_level": self._level,
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.after_fork()
        _stores.add(self)

    def after_fork(self) -> None:
        """The thread that held the lock may be in the parent; the content is whole at any time."""
        self._lock = threading.Lock()

    def lock(self) -> AbstractContextManager[object]:
        return self._lock

    def at(self, subject: str) -> _MemorySubject:
        return _MemorySubject(self._ledgers.get(subject) or Ledger(subject), self._bodies)

    def names(self) -> list[str]:
        return sorted(name for name, ledger in list(self._ledgers.items()) if ledger.entries)

    def every(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, _MemorySubject]]:
        for name in self.names() if names is None else names:
            if (found := self.at(name)).ledger.entries:
                yield name, found

    def add(self, ledger: Ledger, version: Version, body: JsonSchema) -> None:
        self._bodies[ledger.subject, version] = body
        self._ledgers[ledger.subject] = ledger

    def save(self, ledger: Ledger) -> None:
        self._ledgers[ledger.subject] = ledger

    def erase(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        if ledger.entries:
            self._ledgers[ledger.subject] = ledger
        else:
            self._ledgers.pop(ledger.subject, None)
        for version in versions:
            self._bodies.pop((ledger.subject, version), None)

    def level(self) -> str | None:
        return self._level

    def set_level(self, level: str) -> None:
        self._level = level


_stores: Final[HeldWeakly[_MemoryStore]] = HeldWeakly()


def _after_fork() -> None:
    for store in _stores:
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class MemoryBackend(LocalBackend):
    """RegistryBackend in this process's memory. Pickles with its content."""

    def __init__(self) -> None:
        super().__init__(_MemoryStore())

    @property
    def url(self) -> str:
        return "memory://"

    async def _read(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)
