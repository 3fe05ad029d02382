"""The metrics of one module, subject and side."""

from __future__ import annotations

from functools import lru_cache

from llm_integrations.core.judge.verdict import Outcome
from llm_integrations.core.observability import (
    VALIDATION_DURATION,
    VALIDATION_FAILURES,
    VALIDATION_TOTAL,
)

__all__ = ["Counters", "counters_for"]


class Counters:
    """The metric children of one label set, looked up once."""

    def __init__(self, module: str, subject: str, side: str) -> None:
        self._totals = {
            outcome: VALIDATION_TOTAL.labels(module, subject, side, outcome)
            for outcome in ("valid", "invalid", "unjudged")
        }
        self._failures = VALIDATION_FAILURES.labels(module, subject, side)
        # Bound once: every piece of data that anybody judges passes here.
        self.count_valid = self._totals["valid"].inc
        self.observe = VALIDATION_DURATION.labels(module, side).observe

    def count(self, outcome: Outcome, pieces: int = 1) -> None:
        self._totals[outcome].inc(pieces)
        if outcome == "invalid":
            self._failures.inc(pieces)


@lru_cache(maxsize=4096)
def counters_for(module: str, subject: str, side: str) -> Counters:
    return Counters(module, subject, side)
