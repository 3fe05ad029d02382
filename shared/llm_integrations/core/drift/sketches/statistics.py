"""Mean, spread and quantiles of numbers that are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from llm_integrations.core.drift.profile import Numbers
from llm_integrations.core.drift.sketches.float_keys import Floats, Integers

__all__ = ["described", "spread_of"]

_QUANTILES: Final = 100
_FEWEST: Final = 20


def described(low: Floats, high: Floats, counts: Integers, origin: int | None = None) -> Numbers:
    """The statistics of numbers in order.

    Args:
        low, high: the least and the greatest of those that are counted together.
        counts: how many there are.
        origin: where they are counted from, of whole numbers too large for floats; these stay so.
    """
    count = int(counts.sum())
    mean, std = _moments(low, high, counts)
    found = _quantiles(low, high, counts, count) if count >= _FEWEST else np.empty(0)
    spread = spread_of(found, std) if len(found) else std
    if origin is None:
        quantiles = tuple(_rounded(float(value), spread) for value in found)
        return Numbers(count, _rounded(mean, std), _rounded(std, std), quantiles)
    quantiles = tuple(_rounded(origin + round(value), spread) for value in found)
    return Numbers(count, float(origin + round(mean)), _rounded(std, std), quantiles)


def _moments(low: Floats, high: Floats, counts: Integers) -> tuple[float, float]:
    """Mean and standard deviation."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = low + (high - low) / 2
        mean = float(np.average(values, weights=counts))
        std = math.sqrt(np.average((values - mean) ** 2, weights=counts))
    return mean, std if math.isfinite(std) else 0.0


def _quantiles(low: Floats, high: Floats, counts: Integers, count: int) -> Floats:
    """As numpy has them; numbers that are counted together lie evenly between their ends."""
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES * (count - 1)
    below = np.floor(places).astype(np.int64)
    ends = np.cumsum(counts)

    def at(ranks: Integers) -> Floats:
        bins = np.searchsorted(ends, ranks, "right")
        within = (ranks - (ends[bins] - counts[bins]) + 0.5) / counts[bins]
        return low[bins] + within * (high[bins] - low[bins])

    with np.errstate(over="ignore", invalid="ignore"):
        one, two = at(below), at(np.minimum(below + 1, count - 1))
        return one + (two - one) * (places - below)


def spread_of(quantiles: Sequence[float] | Floats, std: float) -> float:
    """A standard deviation that no single value moves: of 100 quantiles; 0 for constant values."""
    q = quantiles
    with np.errstate(over="ignore"):
        widths = (q[94] - q[5]) / 3.25, (q[98] - q[1]) / 4.4, std
    return min((float(width) for width in widths if width > 0), default=0.0)


def _rounded(value: float, std: float) -> float:
    """Rounded to a thousandth of the spread: more digits would reveal single rows' values."""
    if not math.isfinite(value):
        return 0.0
    if not 0 < std < math.inf:
        return value
    found = round(value, 3 - math.floor(math.log10(std)))
    return found if isinstance(value, int) else float(found) + 0.0
