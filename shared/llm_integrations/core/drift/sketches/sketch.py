"""Numbers and categories of a column, gathered block by block in little memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.drift.labels import Labels
from llm_integrations.core.drift.profile import Categories, Numbers

__all__ = ["CategorySketch", "NumberSketch", "spread_of"]

_SAMPLE: Final = 200_000
_QUANTILES: Final = 100
_FEWEST: Final = 20
_MOST_DISTINCT: Final = 10_000
_LISTED: Final = 512
_Floats = npt.NDArray[np.float64]


class NumberSketch:
    """Exact count, mean and spread; quantiles of a sample of 200,000 values at the most."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0
        self._sample: list[_Floats] = []
        self._kept = 0
        self._share = 1.0
        # A fixed seed: the same data gives the same profile.
        self._random = np.random.default_rng(0)

    def add(self, values: _Floats) -> None:
        values = values[np.isfinite(values)]
        if not len(values):
            return
        self._moments(values)
        if self._share < 1.0:
            values = values[self._random.random(len(values)) < self._share]
        self._sample.append(values)
        self._kept += len(values)
        while self._kept > 2 * _SAMPLE:
            self._halve()

    def _moments(self, values: _Floats) -> None:
        """Chan's way to add the variance of one more block."""
        with np.errstate(over="ignore", invalid="ignore"):
            count, mean = len(values), float(values.mean())
            total, apart = self._count + count, mean - self._mean
            squares = float(((values - mean) ** 2).sum())
            self._squares += squares + apart * apart * self._count * count / total
            self._mean += apart * count / total
            self._count = total

    def _halve(self) -> None:
        sample = np.concatenate(self._sample)
        self._sample = [sample[self._random.random(len(sample)) < 0.5]]
        self._kept = len(self._sample[0])
        self._share /= 2

    def numbers(self) -> Numbers | None:
        """The statistics; None if there was no value."""
        if not self._count:
            return None
        std = math.sqrt(self._squares / self._count) if math.isfinite(self._squares) else 0.0
        if self._count < _FEWEST:
            return Numbers(self._count, _rounded(self._mean, std), _rounded(std, std))
        levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        found = np.quantile(np.concatenate(self._sample), levels)
        spread = spread_of(found, std)
        quantiles = tuple(_rounded(float(value), spread) for value in found)
        return Numbers(self._count, _rounded(self._mean, std), _rounded(std, std), quantiles)


def spread_of(quantiles: Sequence[float] | _Floats, std: float) -> float:
    """A standard deviation that no single value moves: of 100 quantiles; 0 for constant values."""
    widths = ((quantiles[94] - quantiles[5]) / 3.25, (quantiles[98] - quantiles[1]) / 4.4, std)
    return min((float(width) for width in widths if width > 0), default=0.0)


def _rounded(value: float, std: float) -> float:
    """Rounded to a thousandth of the spread: more digits would reveal single rows' values."""
    if not math.isfinite(value) or std <= 0:
        return value if math.isfinite(value) else 0.0
    return float(round(value, 3 - math.floor(math.log10(std)))) + 0.0


class CategorySketch:
    """Counts of up to 10,000 different values; what comes after those is counted together."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._other = 0

    def add(self, counted: list[tuple[Any, int]]) -> None:
        """Add values with their counts."""
        for value, count in counted:
            if value in self._counts or len(self._counts) < _MOST_DISTINCT:
                self._counts[value] += count
            else:
                self._other += count

    def categories(
        self, labels: Labels, known: frozenset[str], *, always: bool
    ) -> Categories | None:
        """None if the values hardly repeat, as free text and ids do, unless ``always``."""
        total = sum(self._counts.values()) + self._other
        distinct = len(self._counts)
        repeats = not self._other and distinct <= max(_LISTED, 1) and 2 * distinct <= total
        if not total or not (always or repeats):
            return None
        listed = self._counts.most_common(_LISTED)
        rest = total - sum(count for _, count in listed)
        counts: Counter[str] = Counter()
        for value, count in listed:
            counts[labels.of(value, known)] += count
        return Categories(dict(counts.most_common()), rest, distinct)
