"""How often each whole number came, of those that floats do not tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.drift.profile import Numbers
from llm_integrations.core.drift.sketches.float_keys import Integers, starts_of
from llm_integrations.core.drift.sketches.floats import AT_ONCE, BINS, FloatSketch
from llm_integrations.core.drift.sketches.statistics import described

__all__ = ["WholeSketch", "floats_of"]

_DIGITS: Final = 128
"""Binary digits that are told apart at first: all that a decimal128 has."""
_OF_FLOATS: Final = 53
_OF_INTEGERS: Final = 64


class WholeSketch:
    """Counts whole numbers of any size, as FloatSketch counts floats: exactly, and of more than
    16,384 different ones those together that differ in the last binary digits only."""

    def __init__(self) -> None:
        self._dropped = 0
        self._counts: Counter[int] = Counter()
        self._waiting: list[npt.NDArray[Any]] = []

    @classmethod
    def of(cls, floats: FloatSketch) -> WholeSketch:
        """What a sketch of whole numbers that floats hold has seen."""
        values, counts, dropped = floats.counted()
        sketch = cls()
        sketch._dropped = dropped + _DIGITS - _OF_FLOATS if dropped else 0
        sketch._add(dict(zip(map(int, values.tolist()), counts.tolist(), strict=True)))
        return sketch

    def as_floats(self) -> FloatSketch:
        """What it has seen, without the digits that floats do not hold."""
        self._count_waiting()
        dropped = max(self._dropped - (_DIGITS - _OF_FLOATS), 0)
        sketch = FloatSketch()
        counts = np.array(list(self._counts.values()), np.int64)
        sketch.add_counted(floats_of(np.array(list(self._counts), object)), counts, dropped)
        return sketch

    def __getstate__(self) -> dict[str, object]:
        self._count_waiting()
        return self.__dict__

    def add(self, values: npt.NDArray[Any]) -> None:
        """Add integers of 64 bits, or Python's."""
        if values.dtype == object:
            self._add(Counter(values.tolist()))
            return
        self._waiting.append(values)
        if sum(map(len, self._waiting)) >= AT_ONCE:
            self._count_waiting()

    def _count_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        # int64 and uint64 have no other type in common than floats.
        for signed in (True, False):
            parts = [part for part in waiting if (part.dtype.kind == "i") == signed]
            if parts:
                self._count(np.concatenate(parts))

    def _count(self, values: npt.NDArray[Any]) -> None:
        found, counts = _counted(_cut_all(values, self._dropped))
        if len(found) > BINS:
            # Whatever other numbers there are, so many digits must go.
            self._drop(_least(lambda n: len(_counted(_cut_all(found, n))[0]), self._dropped))
            found, counts = _counted(_cut_all(values, self._dropped))
        self._add_cut(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def merge(self, other: WholeSketch) -> None:
        """Add what another sketch has seen."""
        other._count_waiting()
        self._count_waiting()
        self._drop(other._dropped)
        self._add(other._counts)

    def _add(self, counted: Mapping[int, int]) -> None:
        found: Counter[int] = Counter()
        for value, count in counted.items():
            found[_cut(value, self._dropped)] += count
        self._add_cut(found)

    def _add_cut(self, counted: Mapping[int, int]) -> None:
        self._counts.update(counted)
        if len(self._counts) > BINS:
            self._drop(_least(self._different, self._dropped))

    def _different(self, dropped: int) -> int:
        return len({_cut(value, dropped) for value in self._counts})

    def _drop(self, dropped: int) -> None:
        if dropped > self._dropped:
            before, self._counts, self._dropped = self._counts, Counter(), dropped
            self._add(before)

    def numbers(self) -> Numbers | None:
        """The statistics; None if there was no value."""
        self._count_waiting()
        if not self._counts:
            return None
        values = sorted(self._counts)
        origin = values[len(values) // 2]
        low = np.array([float(min(self._ends(value)) - origin) for value in values])
        high = np.array([float(max(self._ends(value)) - origin) for value in values])
        counts = np.array([self._counts[value] for value in values], np.int64)
        return described(low, high, counts, origin)

    def _ends(self, value: int) -> tuple[int, int]:
        """The numbers that are counted together: the one next to zero, and the farthest."""
        more = (1 << _shift(value, self._dropped)) - 1
        return value, value + more if value >= 0 else value - more


def floats_of(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Whole numbers without the digits that floats do not hold. Rounded, some of those that are
    counted together would not be any more."""
    dropped = _DIGITS - _OF_FLOATS
    if values.dtype == object:
        return np.array([_cut(value, dropped) for value in values.tolist()], np.float64)
    return _cut_all(values, dropped).astype(np.float64)


def _shift(value: int, dropped: int) -> int:
    return max(value.bit_length() - _DIGITS + dropped, 0)


def _cut(value: int, dropped: int) -> int:
    """The number with zeros for the last digits, towards zero."""
    shift = _shift(value, dropped)
    if not shift:
        return value
    return value >> shift << shift if value >= 0 else -(-value >> shift << shift)


def _cut_all(values: npt.NDArray[Any], dropped: int) -> npt.NDArray[Any]:
    """``_cut`` for integers of 64 bits."""
    if dropped <= _DIGITS - _OF_INTEGERS:
        return values
    sizes = values.astype(np.uint64)
    negative = values < 0
    sizes[negative] = -sizes[negative]
    # Without the second digit rounding to a float keeps the first where it is.
    digits = np.frexp((sizes & ~(sizes >> np.uint64(1))).astype(np.float64))[1]
    shifts = np.maximum(digits - _DIGITS + dropped, 0).astype(np.uint64)
    sizes = sizes >> shifts << shifts
    sizes[negative] = -sizes[negative]
    found: npt.NDArray[Any] = sizes.astype(values.dtype)
    return found


def _counted(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Integers]:
    values = np.sort(values)
    starts = starts_of(values)
    return values[starts], np.diff(starts, append=len(values))


def _least(different: Callable[[int], int], known: int) -> int:
    """How many digits must go for no more than so many different numbers; some more than now."""
    low = high = known + 1
    while high < _DIGITS and different(high) > BINS:
        # It is one more, mostly.
        low, high = high + 1, min(2 * high - known, _DIGITS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if different(middle) <= BINS else (middle + 1, high)
    return low
