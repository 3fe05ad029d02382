"""A circuit breaker: pybreaker's states, without running the call inside it.

pybreaker holds a lock while it runs a call, lets every caller probe when half-open and counts a
cancellation as a failure. Here a call asks for admission, runs on its own, and tells the outcome
afterwards; see docs/decisions/pybreaker.md.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import pybreaker

from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import CircuitOpen
from llm_integrations.core.observability import CIRCUIT_BREAKER_STATE

__all__ = ["Breaker", "BreakerState", "Permit"]

BreakerState = Literal["closed", "half-open", "open"]

_METRIC: Final[dict[str, int]] = {"closed": 0, "half-open": 1, "open": 2}


class Permit:
    """Leave to make one call. Say how it ended, once; saying nothing means it was cancelled."""

    __slots__ = ("_breaker", "is_probe")

    def __init__(self, breaker: Breaker, *, is_probe: bool) -> None:
        self._breaker: Breaker | None = breaker
        self.is_probe = is_probe

    def succeeded(self) -> None:
        self._end(True)

    def failed(self) -> None:
        self._end(False)

    def release(self) -> None:
        """Neither success nor failure; a no-op once an outcome was told."""
        self._end(None)

    def _end(self, success: bool | None) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._end(self, success)


class _Failed(Exception):
    """Tells pybreaker about a failure that happened outside of it."""


def _raise() -> None:
    raise _Failed


class Breaker:
    """Opens after consecutive failures; after a pause lets exactly one probe through.

    Thread-safe and usable from any event loop: nothing is locked while a call runs.
    """

    def __init__(self, target: str, options: BreakerOptions | None = None) -> None:
        self.target = target
        self._options = options or BreakerOptions()
        self._lock = threading.Lock()
        self._probe: Permit | None = None
        self._storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=self._options.failures,
            reset_timeout=self._options.reset_timeout,
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )
        self._gauge = CIRCUIT_BREAKER_STATE.labels(target)
        self._gauge.set(_METRIC["closed"])

    @property
    def state(self) -> BreakerState:
        """``half-open`` from the moment a probe would be let through."""
        with self._lock:
            return self._state()

    def admit(self) -> Permit:
        """Return a Permit, or raise CircuitOpen with the seconds until the next probe."""
        with self._lock:
            state = self._state()
            if state == "closed":
                return Permit(self, is_probe=False)
            if state == "open" or self._probe is not None:
                raise CircuitOpen(
                    f"{self.target} failed {self._options.failures} times in a row; "
                    f"not tried again for {self._remaining():.1f} s",
                    retry_after=self._remaining(),
                )
            self._probe = Permit(self, is_probe=True)
            self._gauge.set(_METRIC["half-open"])
            return self._probe

    @contextmanager
    def attempt(self) -> Iterator[Permit]:
        """Admission for a ``with`` block that tells its outcome on the permit."""
        permit = self.admit()
        try:
            yield permit
        finally:
            permit.release()

    def _end(self, permit: Permit, success: bool | None) -> None:
        with self._lock:
            if permit.is_probe:
                self._probe = None
                if success is not None:
                    # pybreaker would refuse to hear the probe's outcome while it is open.
                    self._breaker.half_open()
            elif self._storage.state != pybreaker.STATE_CLOSED:
                return
            if success is not None:
                self._tell(success)
            self._gauge.set(_METRIC[self._state()])

    def _tell(self, success: bool) -> None:
        try:
            self._breaker.call((lambda: None) if success else _raise)
        except _Failed:
            return

    def _state(self) -> BreakerState:
        if self._storage.state == pybreaker.STATE_CLOSED:
            return "closed"
        return "half-open" if self._remaining() <= 0 else "open"

    def _remaining(self) -> float:
        opened_at = self._storage.opened_at
        if opened_at is None:
            return 0.0
        due = opened_at.replace(tzinfo=UTC) + timedelta(seconds=self._options.reset_timeout)
        return (due - datetime.now(UTC)).total_seconds()
