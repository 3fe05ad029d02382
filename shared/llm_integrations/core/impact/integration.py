"""The base class of integrations that keep a catalogue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from llm_integrations.core.catalogue import Catalogue, Usage, UsageKind
from llm_integrations.core.impact.account import SchemaImpact, impact_of, with_owners
from llm_integrations.core.integration import Delivery, LLMModuleIntegration

if TYPE_CHECKING:
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.registry import Registry

__all__ = ["CatalogueIntegration"]


class CatalogueIntegration(LLMModuleIntegration):
    """An integration that keeps in a catalogue what uses schemas.

    Args:
        registry: a Registry, a URL, or None for the environment's.
        catalogue: a path is an SQLite file, None is this process's memory.
    """

    delivery: ClassVar[Delivery] = "work"
    kind: ClassVar[UsageKind]

    def __init__(
        self,
        registry: Registry | str | None = None,
        *,
        catalogue: Catalogue | str | Path | None = None,
    ) -> None:
        super().__init__(registry)
        given = ":memory:" if catalogue is None else catalogue
        self.catalogue = given if isinstance(given, Catalogue) else Catalogue(given)

    async def impact_of(self, event: SchemaEvent) -> SchemaImpact:
        """The impact of a change on the catalogue's uses of its subject."""
        return await impact_of(self.registry, event, await self._using(event))

    async def owned_usages(self, event: SchemaEvent) -> list[Usage]:
        """Every use of an event's subject, with the owner who is told of it."""
        return await with_owners(self.registry, event, await self._using(event))

    async def _using(self, event: SchemaEvent) -> list[Usage]:
        return await asyncio.to_thread(self.catalogue.using, event.subject, self.kind)
