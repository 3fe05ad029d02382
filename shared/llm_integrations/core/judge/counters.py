"""The metrics of one module, subject and side."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

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
        self.count_valid = _counting(self._totals["valid"])
        self.observe = _observing(VALIDATION_DURATION.labels(module, side))

    def count(self, outcome: Outcome, pieces: int = 1) -> None:
        self._totals[outcome].inc(pieces)
        if outcome == "invalid":
            self._failures.inc(pieces)


# A child asks at each call whether it has its labels, which costs twice what the counting does. So
# what it counts by is called at once, where the library still keeps it so.


def _counting(child: Any) -> Callable[[], None]:
    value = getattr(child, "_value", None)
    return child.inc if value is None else partial(value.inc, 1)


def _observing(child: Any) -> Callable[[float], None]:
    total, bounds = getattr(child, "_sum", None), getattr(child, "_upper_bounds", None)
    buckets = [bucket.inc for bucket in getattr(child, "_buckets", ())]
    if total is None or not bounds or len(buckets) != len(bounds):
        return child.observe  # type: ignore[no-any-return]  # the library's own

    def observe(seconds: float, add: Callable[[float], None] = total.inc) -> None:
        add(seconds)
        buckets[bisect_left(bounds, seconds)](1)

    return observe


@lru_cache(maxsize=4096)
def counters_for(module: str, subject: str, side: str) -> Counters:
    return Counters(module, subject, side)
