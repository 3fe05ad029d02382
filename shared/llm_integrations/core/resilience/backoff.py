"""How long to wait before trying again: exponential backoff with full jitter."""

from __future__ import annotations

import random

__all__ = ["backoff", "bound"]

_DOUBLINGS = 60  # what more would overflow, and any cap is reached long before


def backoff(attempt: int, *, base: float, cap: float, floor: float = 0.0) -> float:
    """Seconds to wait after the failed attempt with this number (from 1).

    Any time between ``floor`` and a bound that is ``base`` after the first attempt, doubles with
    each further one and never exceeds ``cap``. Drawn from the whole range, since clients that
    failed together must not return together.
    """
    return random.uniform(floor, max(floor, bound(attempt, base, cap)))  # noqa: S311 - no secret


def bound(attempt: int, base: float, cap: float) -> float:
    """The most seconds that ``backoff`` waits after the failed attempt with this number."""
    return min(cap, base * 2.0 ** min(max(attempt - 1, 0), _DOUBLINGS))
