"""What a registry in this process needs of a storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from llm_integrations.core.errors import RegistryError
from llm_integrations.core.model.reference import Version
from llm_integrations.core.model.schema import JsonSchema
from llm_integrations.core.registry.local.ledger import Ledger

__all__ = ["Store", "Subject"]


class Subject(Protocol):
    """What a store holds of one subject, as of one look at it. Each part may be damaged."""

    @property
    def ledger(self) -> Ledger:
        """Without entries for a subject that is not there."""
        ...

    def numbers(self) -> list[Version]:
        """The ledger's versions, in any order, without reading more than their names."""
        ...

    def body(self, version: Version) -> JsonSchema:
        """SchemaNotFound when it has just been removed."""
        ...


class Store(Protocol):
    """Keeps ledgers and bodies. Reading needs no lock; every change happens under ``lock()``."""

    def lock(self) -> AbstractContextManager[object]: ...

    def at(self, subject: str) -> Subject:
        """One look at a subject, which need not be there."""
        ...

    def names(self) -> list[str]:
        """Every name that a subject may have here, ascending, without looking at any."""
        ...

    def every(
        self, names: Iterable[str] | None = None
    ) -> Iterator[tuple[str, Subject | RegistryError]]:
        """One look at each subject (or at those named) with a version, deleted or not.

        Or what is wrong with it.
        """
        ...

    def add(self, ledger: Ledger, version: Version, body: JsonSchema) -> None:
        """Keep a new version; the ledger holds it already."""
        ...

    def save(self, ledger: Ledger) -> None:
        """Keep changed states or a changed level."""
        ...

    def erase(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        """Remove versions for good; the ledger no longer holds them."""
        ...

    def level(self) -> str | None: ...

    def set_level(self, level: str) -> None: ...
