"""Model serving on the event side: a new version is in force without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import ClassVar, Final

from llm_integrations.core.errors import RegistryError, SchemaNotFound
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.model.event import SchemaEvent, SchemaEventType
from llm_integrations.core.model.reference import SchemaRef, parse_version, version_key
from llm_integrations.core.observability import get_logger
from llm_integrations.core.registry import Registry

__all__ = ["ModelServingIntegration"]

log = get_logger(__name__)

_PATIENCE: Final = 5.0
_STEP: Final = 0.02


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
        self,
        registry: Registry | str | None = None,
        *,
        references: Iterable[str | SchemaRef] = (),
    ) -> None:
        super().__init__(registry)
        self.references = tuple(dict.fromkeys(map(SchemaRef.parse, references)))

    @property
    def name(self) -> str:
        return "serving"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        """Follow a change. What the registry cannot tell now is asked for at the next request."""
        self.registry.apply_event(event)
        for reference in self.references:
            if reference.subject == event.subject:
                await self._follow(reference, event)

    async def _follow(self, reference: SchemaRef, event: SchemaEvent) -> None:
        match event.event_type:
            case SchemaEventType.REGISTERED | SchemaEventType.UPDATED if reference.is_latest:
                await self._renew(reference, event)
            case SchemaEventType.DEPRECATED if _concerns(reference, event):
                log.warning("%s judges by %s, which is deprecated", self.name, reference)
            case SchemaEventType.DELETED if _concerns(reference, event):
                await self._after_deletion(reference)

    async def _renew(self, reference: SchemaRef, event: SchemaEvent) -> None:
        """Ask until the new version is there; a copy is served meanwhile."""
        try:
            async with asyncio.timeout(_PATIENCE):
                # There is nothing to wait on: the client refreshes behind its callers.
                while not await self._has_arrived(reference, event):  # noqa: ASYNC110
                    await asyncio.sleep(_STEP)
        except TimeoutError:
            log.warning(
                "%s still judges by a copy of %s: %s has not arrived", self.name, reference, event
            )
        except RegistryError as error:
            log.warning("%s cannot fetch %s now: %s", self.name, reference, error)
        else:
            log.info("%s judges by %s %s now", self.name, reference.subject, event.version)

    async def _has_arrived(self, reference: SchemaRef, event: SchemaEvent) -> bool:
        await self.registry.aio.validator(reference)
        found = self.registry.peek(reference)
        if found is None or found.version is None:
            return False
        return version_key(found.version) >= version_key(parse_version(event.version))

    async def _after_deletion(self, reference: SchemaRef) -> None:
        try:
            await self.registry.aio.validator(reference)
        except SchemaNotFound:
            log.error(
                "%s judges by %s, which was deleted: nothing to judge by", self.name, reference
            )
        except RegistryError as error:
            log.warning("%s cannot fetch %s now: %s", self.name, reference, error)


def _concerns(reference: SchemaRef, event: SchemaEvent) -> bool:
    if reference.is_latest:
        return True
    return version_key(reference.version) == version_key(parse_version(event.version))
