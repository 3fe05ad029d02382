"""Numbers of a column, gathered block by block, in any order and on any workers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.drift.profile import Numbers

__all__ = ["NumberSketch", "spread_of"]

_BINS: Final = 16_384
"""Different numbers that are kept; of more, the last binary digits are dropped."""
_AT_ONCE: Final = 500_000
"""Numbers that are counted together, whatever the size of the blocks."""
_MAGNITUDE: Final = np.int64(0x7FFF_FFFF_FFFF_FFFF)
"""A number without its sign."""
_SHORT: Final = 2**31
_QUANTILES: Final = 100
_FEWEST: Final = 20
_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


class NumberSketch:
    """How often each number came, from which its mean, spread and quantiles follow.

    Of more than 16,384 different numbers those that differ in the last binary digits only are
    counted together, so many digits as must be dropped. Which they are follows from the numbers
    alone, whatever their order and the parts that they came in: sketches of parts merge to the
    sketch of the whole.
    """

    def __init__(self) -> None:
        self._dropped = 0
        self._keys: _Integers = np.empty(0, np.int64)
        self._counts: _Integers = np.empty(0, np.int64)
        self._waiting: list[_Floats] = []

    def add(self, values: _Floats) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            values = values[finite]
        if not len(values):
            return
        self._waiting.append(values)
        if sum(map(len, self._waiting)) >= _AT_ONCE:
            self._count_waiting()

    def add_counted(self, values: _Floats, counts: _Integers) -> None:
        """Add finite values that came so often."""
        if len(values):
            self._count_waiting()
            self._add(_ordered(values) >> self._dropped, counts, self._dropped)

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting)
        self._waiting = []
        keys = _ordered(values)
        keys >>= self._dropped
        self._add(*_counted(keys), self._dropped)

    def merge(self, other: NumberSketch) -> None:
        """Add what another sketch has seen."""
        self._count_waiting()
        other._count_waiting()
        if len(other._keys):
            self._add(other._keys, other._counts, other._dropped)

    def _add(self, keys: _Integers, counts: _Integers, dropped: int) -> None:
        most = max(self._dropped, dropped)
        keys = np.concatenate([self._keys >> (most - self._dropped), keys >> (most - dropped)])
        self._keys, self._counts = _summed(keys, np.concatenate([self._counts, counts]))
        self._dropped = most
        if too_many := _too_many_digits(self._keys):
            self._keys, self._counts = _summed(self._keys >> too_many, self._counts)
            self._dropped += too_many

    def numbers(self) -> Numbers | None:
        """The statistics; None if there was no value."""
        self._count_waiting()
        count = int(self._counts.sum())
        if not count:
            return None
        mean, std = self._moments()
        if count < _FEWEST:
            return Numbers(count, _rounded(mean, std), _rounded(std, std))
        found = self._quantiles(count)
        spread = spread_of(found, std)
        quantiles = tuple(_rounded(float(value), spread) for value in found)
        return Numbers(count, _rounded(mean, std), _rounded(std, std), quantiles)

    def _moments(self) -> tuple[float, float]:
        """Mean and standard deviation."""
        low, high = self._ends(np.arange(len(self._keys)))
        with np.errstate(over="ignore", invalid="ignore"):
            values = low + (high - low) / 2
            mean = float(np.average(values, weights=self._counts))
            std = math.sqrt(np.average((values - mean) ** 2, weights=self._counts))
        return mean, std if math.isfinite(std) else 0.0

    def _quantiles(self, count: int) -> _Floats:
        """As numpy has them; numbers that are counted together lie evenly between their ends."""
        places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES * (count - 1)
        below = np.floor(places).astype(np.int64)
        one, two = self._at(below), self._at(np.minimum(below + 1, count - 1))
        with np.errstate(over="ignore", invalid="ignore"):
            return one + (two - one) * (places - below)

    def _at(self, ranks: _Integers) -> _Floats:
        """The numbers of these ranks, counted from 0."""
        ends = np.cumsum(self._counts)
        bins = np.searchsorted(ends, ranks, "right")
        counts = self._counts[bins]
        within = (ranks - (ends[bins] - counts) + 0.5) / counts
        low, high = self._ends(bins)
        return low + within * (high - low)

    def _ends(self, bins: _Integers) -> tuple[_Floats, _Floats]:
        """The least and the greatest number that are counted together."""
        keys = self._keys[bins]
        low = _numbers(keys << self._dropped)
        return low, _numbers(((keys + 1) << self._dropped) - 1) if self._dropped else low


def _ordered(values: _Floats) -> _Integers:
    """Integers in the order of the numbers, whose last digits are those of the numbers."""
    # -0.0 becomes 0.0, which it equals.
    bits: _Integers = (values + 0.0).view(np.int64)
    signs = bits >> 63
    signs &= _MAGNITUDE
    bits ^= signs
    return bits


def _numbers(ordered: _Integers) -> _Floats:
    return (ordered ^ ((ordered >> 63) & _MAGNITUDE)).view(np.float64)


def _counted(keys: _Integers) -> tuple[_Integers, _Integers]:
    """Different keys, and how often each comes."""
    if keys.min() >= 0:
        return _dense(keys)
    negative = keys < 0
    found = [_dense(part) for part in (keys[negative], keys[~negative]) if len(part)]
    return np.concatenate([k for k, _ in found]), np.concatenate([c for _, c in found])


def _dense(keys: _Integers) -> tuple[_Integers, _Integers]:
    # The last digits of whole numbers are all zero.
    used = int(np.bitwise_or.reduce(keys))
    zeros = (used & -used).bit_length() - 1 if used else 0
    least, most = int(keys.min()), int(keys.max())
    low = least >> zeros
    if (most >> zeros) - low <= len(keys):
        counts = np.bincount((keys >> zeros) - low)
        at = np.flatnonzero(counts)
        return (at + low) << zeros, counts[at]
    # Short integers sort in half of the time.
    short = least >= -_SHORT and most < _SHORT
    keys = np.sort(keys.astype(np.int32)).astype(np.int64) if short else np.sort(keys)
    starts = _starts(keys)
    return keys[starts], np.diff(starts, append=len(keys))


def _summed(keys: _Integers, counts: _Integers) -> tuple[_Integers, _Integers]:
    """Each key once, in order, with the sum of its counts."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = _starts(keys)
    return keys[starts], np.add.reduceat(counts[order], starts)


def _starts(keys: _Integers) -> _Integers:
    """Where each different key begins, of keys in order."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))


def _too_many_digits(keys: _Integers) -> int:
    """How many of the last digits must be dropped for no more than so many different keys."""
    if len(keys) <= _BINS:
        return 0
    apart = keys[1:] ^ keys[:-1]
    # The digits up to the first one that differs. A float holds 53 of them exactly.
    large = apart >> 52 != 0
    digits = np.frexp(np.where(large, apart >> 11, apart).astype(np.float64))[1] + 11 * large
    digits[apart < 0] = 64
    # Neighbours that differ in the first n digits only are one when n are dropped.
    still_apart = len(apart) - np.cumsum(np.bincount(digits, minlength=65))
    return int(np.flatnonzero(still_apart < _BINS)[0])


def spread_of(quantiles: Sequence[float] | _Floats, std: float) -> float:
    """A standard deviation that no single value moves: of 100 quantiles; 0 for constant values."""
    q = quantiles
    with np.errstate(over="ignore"):
        widths = (q[94] - q[5]) / 3.25, (q[98] - q[1]) / 4.4, std
    return min((float(width) for width in widths if width > 0), default=0.0)


def _rounded(value: float, std: float) -> float:
    """Rounded to a thousandth of the spread: more digits would reveal single rows' values."""
    if not math.isfinite(value) or not 0 < std < math.inf:
        return value if math.isfinite(value) else 0.0
    return float(round(value, 3 - math.floor(math.log10(std)))) + 0.0
