"""A clock that stands still until a test moves it, so that a busy machine lets no pause run out."""

from __future__ import annotations

import time

import pytest

from llm_integrations.core.registry.cache import fetching, service
from llm_integrations.core.resilience.breaker import Breaker

__all__ = ["Clock", "clock"]


class Clock:
    """In the place of the module ``time`` for caches, and of the clock of breakers."""

    def __init__(self) -> None:
        self._now = time.monotonic()

    def monotonic(self) -> float:
        return self._now

    def go_on(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of the registry clients and breakers that are made after it."""
    clock = Clock()
    for module in (service, fetching):
        monkeypatch.setattr(module, "time", clock)
    defaults = Breaker.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "clock", clock.monotonic)
    return clock
