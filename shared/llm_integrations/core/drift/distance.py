"""Distances between two distributions, and the distances that chance alone explains."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from llm_integrations.core.drift.profile import Categories, Numbers
from llm_integrations.core.extras import require_extra

__all__ = [
    "category_chance",
    "category_distance",
    "number_chance",
    "number_distance",
    "share_chance",
]

_REST = "\x00rest"


def category_distance(before: Categories, after: Categories) -> float:
    """Jensen–Shannon distance, base 2, from 0 to 1. Values that are not listed count as one."""
    require_extra("drift", "scipy")
    from scipy.spatial.distance import jensenshannon

    one, two = _aligned(before), _aligned(after, before.counts)
    names = sorted(one.keys() | two.keys())
    first = np.array([one.get(name, 0) for name in names], np.float64)
    second = np.array([two.get(name, 0) for name in names], np.float64)
    distance = float(jensenshannon(first, second, base=2))
    # Rounding can make the divergence of equal distributions slightly negative.
    return 0.0 if math.isnan(distance) else min(distance, 1.0)


def _aligned(found: Categories, listed: Mapping[str, int] | None = None) -> dict[str, int]:
    counts: dict[str, int] = {_REST: found.other} if found.other else {}
    for name, count in found.counts.items():
        key = name if listed is None or name in listed else _REST
        counts[key] = counts.get(key, 0) + count
    return counts


def category_chance(before: Categories, after: Categories) -> float:
    """The distance by chance of two samples of the same categories: two standard errors."""
    kinds = len(before.counts) + (1 if before.other else 0)
    freedom = max(kinds - 1, 1)
    # The divergence is about a chi-square over 8 ln 2, whose deviation is √(2 · freedom).
    spread = (freedom + 2 * math.sqrt(2 * freedom)) / (8 * math.log(2))
    return math.sqrt(spread * (1 / before.total + 1 / after.total))


def number_distance(before: Numbers, after: Numbers) -> float:
    """Wasserstein distance of the quantiles, in standard deviations of the baseline."""
    require_extra("drift", "scipy")
    from scipy.stats import wasserstein_distance

    distance = float(wasserstein_distance(before.quantiles, after.quantiles))
    # A constant column has no standard deviation to divide by.
    return distance / max(before.std, 1e-3 * abs(before.mean), 1e-9)


def number_chance(before: Numbers, after: Numbers) -> float:
    """The distance by chance of two samples of the same numbers: two standard errors."""
    return 2 * math.sqrt(1 / before.count + 1 / after.count)


def share_chance(
    share_before: float, rows_before: int, share_after: float, rows_after: int
) -> float:
    """Two standard errors of the difference of two shares."""
    if not rows_before or not rows_after:
        return 1.0
    share = (share_before * rows_before + share_after * rows_after) / (rows_before + rows_after)
    return 2 * math.sqrt(max(share * (1 - share), 0.0) * (1 / rows_before + 1 / rows_after))
