"""The health of a listener and its integrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_integrations.core.events.bus import BusHealth

__all__ = ["IntegrationHealth", "ListenerHealth"]


@dataclass(frozen=True, slots=True)
class IntegrationHealth:
    """Counts of one integration's events since the start: handled, repeated, given up."""

    handled: int
    repeated: int
    failed: int
    breaker: str


@dataclass(frozen=True, slots=True)
class ListenerHealth:
    """Whether everything is connected. False when not.

    Attributes:
        buses: the health of each bus.
        inputs: of each subscription and source, None while events come, else what is wrong.
        integrations: the counts of each integration's events.
    """

    ok: bool
    buses: tuple[BusHealth, ...]
    inputs: Mapping[str, str | None]
    integrations: Mapping[str, IntegrationHealth]

    def __bool__(self) -> bool:
        return self.ok

    @property
    def feeds(self) -> Mapping[str, str | None]:
        """``inputs``, under its first name."""
        return self.inputs
