"""A circuit breaker that a call passes before it runs, and tells its outcome to afterwards.

Nothing is locked while a call runs, one probe is let through when half-open, and a call that ends
without an outcome (cancelled) changes nothing. Why not pybreaker: docs/decisions/pybreaker.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from llm_integrations.core.concurrency.fork import survive_fork
from llm_integrations.core.config import BreakerOptions
from llm_integrations.core.errors import CircuitOpen
from llm_integrations.core.observability import CIRCUIT_BREAKER_STATE, get_logger

__all__ = ["Breaker", "BreakerState", "Permit"]

log = get_logger(__name__)

BreakerState = Literal["closed", "half-open", "open"]

_METRIC: Final[dict[str, int]] = {"closed": 0, "half-open": 1, "open": 2}


class Permit:
    """Leave to make one call. Say how it ended, once; saying nothing means it was cancelled."""

    __slots__ = ("_breaker", "is_probe", "opening")

    def __init__(self, breaker: Breaker, opening: int, *, is_probe: bool) -> None:
        self._breaker: Breaker | None = breaker
        self.opening = opening
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


class Breaker:
    """Opens after consecutive failures; after a pause lets exactly one probe through.

    Thread-safe and usable from any event loop.

    Args:
        target: what is protected; a metric label, so never with credentials.
        clock: seconds that only go forward; the wall clock would jump.
    """

    def __init__(
        self,
        target: str,
        options: BreakerOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self._options = options or BreakerOptions()
        self._clock = clock
        self.lock = threading.Lock()
        self._failures = 0
        self._openings = 0
        self._probe_at: float | None = None  # None: closed
        self._probe: Permit | None = None
        self._gauge = CIRCUIT_BREAKER_STATE.labels(target)
        self._gauge.set(_METRIC["closed"])
        survive_fork(self)

    @property
    def state(self) -> BreakerState:
        """``half-open`` from the moment a probe would be let through."""
        with self.lock:
            return self._state()

    def admit(self) -> Permit:
        """Return a Permit, or raise CircuitOpen with the seconds until the next probe."""
        with self.lock:
            state = self._state()
            if state == "closed":
                return Permit(self, self._openings, is_probe=False)
            if state == "open" or self._probe is not None:
                raise self._refusal()
            self._probe = Permit(self, self._openings, is_probe=True)
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

    def after_fork(self) -> None:
        """In a forked child: whoever was to tell the probe's outcome stayed in the parent."""
        self.lock = threading.Lock()
        self._probe = None

    def _end(self, permit: Permit, success: bool | None) -> None:
        with self.lock:
            openings = self._openings
            if permit is self._probe:
                self._probe = None
            elif permit.is_probe or permit.opening != openings:
                # The circuit opened since it set out: a late outcome says nothing about now.
                return
            if success is not None:
                self._count(success)
            self._gauge.set(_METRIC[self._state()])
        if self._openings > openings:
            self._log_opening()

    def _count(self, success: bool) -> None:
        if success:
            self._failures = 0
            self._probe_at = None
            return
        self._failures += 1
        if self._probe_at is not None or self._failures >= self._options.failures:
            self._openings += 1
            self._probe_at = self._clock() + self._options.reset_timeout

    def _log_opening(self) -> None:
        log.warning(
            "circuit breaker of %s is open for %g s after %d failures in a row",
            self.target,
            self._options.reset_timeout,
            self._failures,
            extra={"llmi_target": self.target, "llmi_failures": self._failures},
        )

    def _refusal(self) -> CircuitOpen:
        remaining = max(0.0, (self._probe_at or 0.0) - self._clock())
        return CircuitOpen(
            f"{self.target} failed {self._failures} times in a row; "
            f"not tried again for {remaining:.1f} s",
            retry_after=remaining,
        )

    def _state(self) -> BreakerState:
        if self._probe_at is None:
            return "closed"
        return "half-open" if self._clock() >= self._probe_at else "open"
