"""The events API as users type it; checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import ClassVar, assert_type

from llm_integrations.core.events import (
    EventBus,
    EventListener,
    FileWatchSource,
    InMemoryEventBus,
    PollSource,
    SchemaEvent,
    connect_bus,
)
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.registry import connect


class Printer(LLMModuleIntegration):
    delivery: ClassVar[Delivery] = "broadcast"

    @property
    def name(self) -> str:
        return "printer"

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        assert_type(event.subject, str)
        assert_type(event.previous_version, str | None)


async def listens() -> None:
    bus = connect_bus("kafka://h1:9092/schemas")
    assert_type(bus, EventBus)
    registry = connect("schemas/", bus=InMemoryEventBus())
    await bus.publish(SchemaEvent.registered("id", "com.example", "user", "1.0.0"))
    sources = [FileWatchSource("schemas/"), PollSource(registry, interval=5.0)]
    async with EventListener(registry, [Printer(registry)], buses=[bus], sources=sources) as all_:
        health = await all_.health()
        assert_type(health.ok, bool)


def listens_without_a_loop() -> None:
    with EventListener("schemas/", buses=["memory://"]).run_in_background() as running:
        running.health()
