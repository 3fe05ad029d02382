"""The health of a dispatcher and its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_integrations.core.resilience.breaker import BreakerState
from llm_integrations.core.webhooks.sending.outbox import QueueState

__all__ = ["DispatcherHealth", "EndpointHealth"]


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """The health of one endpoint.

    Attributes:
        endpoint: its label.
        breaker: whether requests are let through by this process.
        delivering: whether this process is the one that delivers to it.
        pending: deliveries that wait, a retried one included.
        oldest: Unix time of the oldest of them, or None.
        dead: dead letters.
    """

    endpoint: str
    breaker: BreakerState
    delivering: bool
    pending: int
    oldest: float | None
    dead: int


@dataclass(frozen=True, slots=True)
class DispatcherHealth:
    """The health of all endpoints, and deliveries for endpoints that are not configured here."""

    endpoints: tuple[EndpointHealth, ...]
    elsewhere: Mapping[str, QueueState]

    @property
    def is_healthy(self) -> bool:
        """Whether every breaker is closed and nothing is dead-lettered."""
        return all(one.breaker == "closed" and not one.dead for one in self.endpoints)

    def __bool__(self) -> bool:
        return self.is_healthy
