"""What every module is on the event side: five operations, and a synchronous view of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from llm_integrations.core.registry import Registry, resolve_registry

if TYPE_CHECKING:
    from llm_integrations.core.model.event import SchemaEvent
    from llm_integrations.core.model.reference import SchemaId, SchemaRef
    from llm_integrations.core.model.schema import RegisteredSchema
    from llm_integrations.core.registry.backend import RegistryHealth
    from llm_integrations.core.validation.report import ValidationReport

__all__ = ["Delivery", "LLMModuleIntegration", "SyncIntegration"]

Delivery = Literal["broadcast", "work"]
"""Who handles an event: every process ("broadcast"), or one member of a group ("work")."""


class LLMModuleIntegration(ABC):
    """One module's presence on the event side. Subclass it for another.

    A subclass answers ``name`` and ``handle_schema_event``; the other operations go through the
    registry. Handlers of different subjects may run at the same time; an event is handled at least
    once, so make the effect of ``handle_schema_event`` repeatable.

    Args:
        registry: a Registry, a URL for ``connect()``, or None for the environment's registry.
    """

    delivery: ClassVar[Delivery] = "work"

    def __init__(self, registry: Registry | str | None = None) -> None:
        self.registry = resolve_registry(registry)

    @property
    @abstractmethod
    def name(self) -> str:
        """Unique among a listener's integrations, and the same after a restart."""

    @abstractmethod
    async def handle_schema_event(self, event: SchemaEvent) -> None:
        """React to a change. Raising asks for another delivery."""

    async def validate_data(self, schema: SchemaId | SchemaRef, data: Any) -> ValidationReport:
        """Judge data by the schema with this id or reference.

        Raises:
            RegistryError: when there is no schema to judge by; bad data is a report that is false.
        """
        found = await self.get_schema(schema)
        validator = await self.registry.aio.validator_for(found)
        return validator.validate(data)

    async def get_schema(self, schema: SchemaId | SchemaRef) -> RegisteredSchema:
        """The schema with this id or reference."""
        return await self.registry.aio.find(schema)

    async def health_check(self) -> RegistryHealth:
        """Whether this module can do its work: false, with the reason, while it cannot."""
        return await self.registry.aio.health()

    @property
    def sync(self) -> SyncIntegration:
        """The same calls for code that has no event loop."""
        return SyncIntegration(self)


class SyncIntegration:
    """Runs an integration's operations to their end, on a background event loop.

    Not for use inside a coroutine that runs there already: that raises RegistryError.
    """

    def __init__(self, integration: LLMModuleIntegration) -> None:
        self._integration = integration

    def handle_schema_event(self, event: SchemaEvent) -> None:
        self._integration.registry.run(self._integration.handle_schema_event(event))

    def validate_data(self, schema: SchemaId | SchemaRef, data: Any) -> ValidationReport:
        return self._integration.registry.run(self._integration.validate_data(schema, data))

    def get_schema(self, schema: SchemaId | SchemaRef) -> RegisteredSchema:
        return self._integration.registry.run(self._integration.get_schema(schema))

    def health_check(self) -> RegistryHealth:
        return self._integration.registry.run(self._integration.health_check())
