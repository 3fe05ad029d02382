"""Options of delivering events to handlers."""

from __future__ import annotations

from dataclasses import dataclass, field

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import ConfigurationError

__all__ = ["DeliveryOptions"]


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How often a failing handler is tried again, and when it is left alone. Times in seconds.

    Args:
        attempts: tries per event, the first included; then the event is dead-lettered.
        base: the first wait's upper bound; each further one doubles.
        cap: no wait is longer.
        timeout: a try that lasts longer counts as failed; None lets a handler take its time.
        breaker: events that failed in a row before a handler is left alone, and for how long.
            Events wait meanwhile; none is dropped.
    """

    attempts: int = 3
    base: float = 0.1
    cap: float = 2.0
    timeout: float | None = None
    breaker: BreakerOptions = field(default_factory=BreakerOptions)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigurationError("DeliveryOptions.attempts must be at least 1")
        if min(self.base, self.cap) < 0:
            raise ConfigurationError("DeliveryOptions: base and cap must not be negative")
        if self.timeout is not None and self.timeout <= 0:
            raise ConfigurationError("DeliveryOptions.timeout must be above 0 (seconds), or None")
