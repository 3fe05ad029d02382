"""Model serving on the event side: a new version is in force without a restart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from llm_integrations.core.errors import RegistryError
from llm_integrations.core.impact import in_force_after, is_about
from llm_integrations.core.impact.versions import is_before
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.reference import SchemaRef
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry

__all__ = ["ModelServingIntegration"]

log = get_logger(__name__)


class ModelServingIntegration(LLMModuleIntegration):
    """Keeps the schemas that a server judges by up to date, in every process of the server.

    Requests are never held up: until the new version has arrived they are judged by the old one.
    The middleware makes one by itself when its configuration names where events come from.

    Args:
        registry: a Registry, a URL for ``connect()``, or None for the environment's registry.
        references: the schemas in use. Those at ``latest`` are fetched anew when their subject
            changes; an exact version stays what it is.
    """

    delivery: ClassVar[Delivery] = "broadcast"

    def __init__(
        self, registry: Registry | str | None = None, *, references: Iterable[str | SchemaRef] = ()
    ) -> None:
        super().__init__(registry)
        self.references = tuple(dict.fromkeys(map(SchemaRef.parse, references)))

    @property
    def name(self) -> str:
        return "serving"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        """Follow a change. What the registry cannot tell now is asked for at the next request."""
        await self.registry.follow([event])
        for reference in self.references:
            if reference.subject == event.subject and (
                reference.is_latest or is_about(event, reference)
            ):
                await self._follow(reference, event)

    async def _follow(self, reference: SchemaRef, event: SchemaEvent) -> None:
        if event.event_type is SchemaEventType.DEPRECATED:
            log.warning("%s judges by %s, which is deprecated", self.name, reference)
        elif event.event_type is SchemaEventType.DELETED or (
            event.event_type.brings_content and reference.is_latest
        ):
            await self._renew(reference, event)

    async def _renew(self, reference: SchemaRef, event: SchemaEvent) -> None:
        """Bring what is in force into the client's cache; a copy serves requests meanwhile."""
        try:
            found = await in_force_after(self.registry, reference, event)
        except RegistryError as error:
            log.warning("%s cannot fetch %s now: %s", self.name, reference, error)
            return
        if found is None:
            log.error(
                "%s judges by %s, which was deleted: nothing to judge by", self.name, reference
            )
        elif is_before(found, event):
            # Another copy of the registry may hold it: an answer that is old counts as stale.
            self.registry.apply_event(event)
            log.warning("%s still judges by %s: %s is not there", self.name, found.ref, event)
        else:
            log.info("%s judges by %s now", self.name, found.ref)
