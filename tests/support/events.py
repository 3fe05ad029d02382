"""Making events, and waiting for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.events import DeliveryOptions, SchemaEvent
from llm_integrations.core.integration import Delivery, LLMModuleIntegration
from llm_integrations.core.registry import Registry

__all__ = ["IMPATIENT", "Recording", "event", "events", "until"]

IMPATIENT = DeliveryOptions(base=0.001, cap=0.002, breaker=BreakerOptions(5, reset_timeout=0.2))
"""Retries and a breaker that a test need not wait for."""


def event(subject: str = "ns.user", version: int = 1, **metadata: Any) -> SchemaEvent:
    return SchemaEvent.updated(version, "", subject, version, metadata=metadata)


def events(count: int, subjects: int = 5) -> list[SchemaEvent]:
    """Versions 1, 2, … of each of some subjects, taking turns."""
    return [event(f"ns.s{i % subjects}", 1 + i // subjects) for i in range(count)]


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:  # noqa: ASYNC109
    """Wait until the condition holds; AssertionError if it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


class Recording(LLMModuleIntegration):
    """An integration that remembers what it was given, and fails as often as it is told."""

    def __init__(
        self,
        registry: Registry,
        name: str = "recording",
        *,
        delivery: Delivery = "work",
        failures: int = 0,
    ) -> None:
        super().__init__(registry)
        self.delivery = delivery  # type: ignore[misc]  # per instance, for tests
        self.seen: list[SchemaEvent] = []
        self.calls = 0
        self.failures = failures
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def versions(self) -> list[str]:
        return [event.reference for event in self.seen]

    async def handle_schema_event(self, event: SchemaEvent) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.seen.append(event)
