"""Distances between two distributions, and those that chance alone explains.

A ``level`` is the probability that chance may exceed what it is said to explain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from llm_integrations.core.drift.profile import Categories, Numbers
from llm_integrations.core.drift.sketches.statistics import spread_of

__all__ = [
    "category_chance",
    "category_distance",
    "cells_of",
    "centred",
    "ks_chance",
    "ks_distance",
    "l_infinity",
    "lepage_chance",
    "lepage_distance",
    "missing_mass",
    "missing_mass_chance",
    "number_chance",
    "number_distance",
    "psi",
    "share_chance",
]

_EXPECTED: Final = 10
"""Values that a category should have in either sample to be compared by itself."""
_ROUNDING: Final = 2e-3
"""Quantiles are rounded to a thousandth of the spread, on each side."""

_CONSTANT: Final = 1e-9
"""Spread, as a part of the mean, below which numbers differ by errors of computing only."""

_Cells: TypeAlias = npt.NDArray[np.float64]


def category_distance(before: Categories, after: Categories) -> float:
    """Jensen–Shannon distance, base 2, from 0 to 1. Rare values count as one."""
    from scipy.spatial.distance import jensenshannon

    one, two = _cells(before, after)
    distance = float(jensenshannon(one, two, base=2))
    # Rounding can make the divergence of equal distributions slightly negative.
    return 0.0 if math.isnan(distance) else min(distance, 1.0)


def category_chance(before: Categories, after: Categories, level: float, size: float) -> float:
    """The distance by chance of two samples of the same categories.

    Args:
        size: 1/n + 1/m of n and m independent values.
    """
    from scipy.stats import chi2

    freedom = max(len(_cells(before, after)[0]) - 1, 1)
    # The divergence is about a chi-square over 8 ln 2.
    return math.sqrt(float(chi2.isf(level, freedom)) * size / (8 * math.log(2)))


def _cells(before: Categories, after: Categories) -> tuple[list[int], list[int]]:
    """The counts of the same values in both, those too rare to be compared together at last.

    A value that one side lists and the other does not is rare if that one does not list all.
    """
    share = min(before.total, after.total) / max(before.total + after.total, 1)
    known = before.counts.keys() | after.counts.keys()
    for side in (before, after):
        known = known & side.counts.keys() if side.other else known
    kept = [
        name
        for name in sorted(known)
        if (before.counts.get(name, 0) + after.counts.get(name, 0)) * share >= _EXPECTED
    ]
    one = [before.counts.get(name, 0) for name in kept]
    two = [after.counts.get(name, 0) for name in kept]
    rest = before.total - sum(one), after.total - sum(two)
    return ([*one, rest[0]], [*two, rest[1]]) if any(rest) else (one, two)


def cells_of(before: Numbers | Categories, after: Numbers | Categories) -> tuple[_Cells, _Cells]:
    """The counts of the same cells in both: categories, or tenths of the baseline's numbers."""
    if isinstance(before, Categories) and isinstance(after, Categories):
        one, two = _cells(before, after)
        return np.asarray(one, np.float64), np.asarray(two, np.float64)
    if not (isinstance(before, Numbers) and isinstance(after, Numbers)):
        raise TypeError("numbers and categories have no cells in common")
    count = max(2, min(10, min(before.count, after.count) // _EXPECTED))
    known = np.asarray(before.quantiles)
    places = np.arange(1, count) * len(known) // count
    edges = np.unique(known[places]) + _rounding_apart(before, after)
    found = [
        np.bincount(np.searchsorted(edges, side.quantiles), minlength=len(edges) + 1)
        * (side.count / len(side.quantiles))
        for side in (before, after)
    ]
    return found[0].astype(np.float64), found[1].astype(np.float64)


def psi(one: _Cells, two: _Cells, level: float, size: float) -> tuple[float, float]:
    """Population stability index of two sets of cells; and that by chance.

    Args:
        size: 1/n + 1/m of n and m independent values.
    """
    from scipy.stats import chi2

    before, after = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (one, two))
    found = float(((after - before) * np.log(after / before)).sum())
    # Like the divergence it is about a chi-square.
    return found, float(chi2.isf(level, max(len(one) - 1, 1))) * size


def l_infinity(
    one: _Cells, two: _Cells, level: float, sizes: tuple[float, float]
) -> tuple[float, float]:
    """The largest difference of the shares of a cell; and that by chance."""
    before, after = one / one.sum(), two / two.sum()
    chances = [
        share_chance(float(x), sizes[0], float(y), sizes[1], level / len(one))
        for x, y in zip(before, after, strict=True)
    ]
    return float(np.abs(after - before).max()), max(chances)


def missing_mass(counts: Mapping[str, int], total: int) -> float:
    """The share of values that a sample has not seen, by Good and Turing."""
    return sum(1 for count in counts.values() if count == 1) / total


def missing_mass_chance(
    counts: Mapping[str, int], sizes: tuple[float, float], level: float
) -> float:
    """How far the share of values never seen lies from ``missing_mass`` by chance.

    Args:
        sizes: how many independent values the baseline and the data have.
    """
    ones = sum(1 for count in counts.values() if count == 1)
    twos = sum(1 for count in counts.values() if count == 2)
    before, after = sizes
    mass = (ones + 1) / before
    spread = math.sqrt((ones + 2 * twos + 1) / before**2 + mass / after)
    return _deviations(level) * spread + 1 / after


def centred(before: Numbers, after: Numbers) -> tuple[Numbers, Numbers]:
    """Exact numbers, counted from the middle of the baseline's: what lies between these is small,
    however large they are, and none of it is an error of floats."""
    origin = before.quantiles[len(before.quantiles) // 2]
    one, two = (
        replace(
            side,
            quantiles=tuple(float(value - origin) for value in side.quantiles),
            mean=0.0 if side.std else side.mean,
        )
        for side in (before, after)
    )
    return one, two


def number_distance(before: Numbers, after: Numbers) -> float:
    """Wasserstein distance of the quantiles, in standard deviations of the baseline."""
    # Of as many quantiles on both sides it is the mean of what lies between them.
    apart = np.abs(np.subtract(before.quantiles, after.quantiles))
    return float(apart.mean()) / _scale(before)


def _scale(numbers: Numbers) -> float:
    if numbers.std > _CONSTANT * abs(numbers.mean):
        return numbers.std
    # A constant column has no standard deviation to divide by.
    return max(numbers.std, 1e-3 * abs(numbers.mean), 1e-9)


def number_chance(
    before: Numbers, after: Numbers, level: float, sizes: tuple[float, float]
) -> float:
    """The distance by chance of two samples of the same numbers."""
    variance = before.std**2 / sizes[0] + after.std**2 / sizes[1]
    # The means differ by a normal deviate; of few values the spread is itself not well known.
    deviations = _deviations(level) + 10 / min(sizes)
    return deviations * math.sqrt(variance) / _scale(before)


def ks_distance(before: Numbers, after: Numbers) -> float:
    """Kolmogorov–Smirnov distance of the stored quantiles, from 0 to 1."""
    one, two = np.asarray(before.quantiles), np.asarray(after.quantiles)
    # What was rounded in two ways is the same.
    apart = _rounding_apart(before, after)
    grid = np.concatenate([one, two])
    above = _below(one, grid - apart) - _below(two, grid + apart)
    under = _below(two, grid - apart) - _below(one, grid + apart)
    return max(float(above.max()), float(under.max()), 0.0)


def _rounding_apart(before: Numbers, after: Numbers) -> float:
    spread = max(spread_of(part.quantiles, part.std) for part in (before, after))
    return _ROUNDING * spread + 1e-12 * max(map(abs, before.quantiles), default=0.0)


def _below(quantiles: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.searchsorted(quantiles, places, "right") / len(quantiles)


def ks_chance(level: float, size: float) -> float:
    """The distance by chance of two samples of the same numbers; ``size`` is 1/n + 1/m."""
    return math.sqrt(-math.log(level / 2) / 2 * size)


def lepage_distance(before: Numbers, after: Numbers) -> float:
    """How far ranks moved and spread, by the modified Lepage test (Wilcoxon's and Mood's scores).

    About the standard deviations of a normal distribution that its mean moved by; single values,
    however far they lie, move it little.
    """
    one, two = np.asarray(before.quantiles), np.asarray(after.quantiles)
    values = np.concatenate([one, two])
    order = np.argsort(values, kind="stable")
    # What was rounded in two ways has one rank.
    steps = np.diff(values[order]) > _rounding_apart(before, after)
    groups = np.concatenate([[0], np.cumsum(steps)])
    sizes = np.bincount(groups)
    ranks = np.empty(len(values))
    ranks[order] = ((np.cumsum(sizes) - sizes / 2) / len(values) - 0.5)[groups]
    # Of many equal values the squares say in part what the ranks do.
    slope = float((ranks**3).sum()) / max(float((ranks**2).sum()), 1e-9)
    return math.hypot(*(_moved(scores, len(one)) for scores in (ranks, ranks**2 - slope * ranks)))


def _moved(scores: np.ndarray, first: int) -> float:
    """The difference of mean scores, in standard deviations of all of them."""
    spread = float(scores.std())
    return float(scores[first:].mean() - scores[:first].mean()) / spread if spread > 1e-9 else 0.0


def lepage_chance(level: float, size: float) -> float:
    """The distance by chance of two samples of the same numbers; ``size`` is 1/n + 1/m."""
    # Half of the sum of two squared normal deviates is exponential.
    return math.sqrt(-2 * math.log(level) * size)


def share_chance(
    share_before: float, rows_before: float, share_after: float, rows_after: float, level: float
) -> float:
    """The difference by chance of two shares."""
    if not rows_before or not rows_after:
        return 1.0
    size = 1 / rows_before + 1 / rows_after
    share = (share_before * rows_before + share_after * rows_after) / (rows_before + rows_after)
    return _deviations(level) * math.sqrt(max(share * (1 - share), 0.0) * size) + size / 2


def _deviations(level: float) -> float:
    return NormalDist().inv_cdf(1 - level / 2)
