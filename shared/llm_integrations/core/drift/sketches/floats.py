"""How often each float came, in any order and on any workers."""

from __future__ import annotations

from typing import Final

import numpy as np

from llm_integrations.core.drift.profile import Numbers
from llm_integrations.core.drift.sketches.float_keys import (
    Floats,
    Integers,
    counted_keys,
    numbers_of,
    ordered,
    summed,
)
from llm_integrations.core.drift.sketches.statistics import described

__all__ = ["AT_ONCE", "BINS", "FloatSketch"]

BINS: Final = 16_384
"""Different numbers that are kept; of more, the last binary digits are dropped."""
AT_ONCE: Final = 250_000
"""Numbers that are counted together, whatever the size of the blocks."""


class FloatSketch:
    """How often each number came, from which its mean, spread and quantiles follow.

    Of more than 16,384 different numbers those that differ in the last binary digits only are
    counted together, so many digits as must be dropped. Which they are follows from the numbers
    alone, whatever their order and the parts that they came in: sketches of parts merge to the
    sketch of the whole.
    """

    def __init__(self) -> None:
        self._dropped = 0
        self._keys: Integers = np.empty(0, np.int64)
        self._counts: Integers = np.empty(0, np.int64)
        self._waiting: list[Floats] = []
        self._held = 0

    def __getstate__(self) -> dict[str, object]:
        # What travels are counts, not the values themselves.
        self._count_waiting()
        return self.__dict__

    def add(self, values: Floats) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            values = values[finite]
        if not len(values):
            return
        self._waiting.append(values)
        self._held += len(values)
        if self._held >= AT_ONCE:
            self._count_waiting()

    def add_counted(self, values: Floats, counts: Integers, dropped: int = 0) -> None:
        """Add finite values that came so often.

        Args:
            dropped: how many of their last digits say nothing.
        """
        if len(values):
            self._count_waiting()
            self._add(*summed(ordered(values) >> dropped, counts), dropped)

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting, self._held = self._waiting, [], 0
        # Some tell already how many digits are dropped, and the others need not be sorted.
        first = 0 if self._dropped else 2 * BINS
        for parts in ([waiting[0][:first]], [waiting[0][first:], *waiting[1:]]):
            if parts := [part for part in parts if len(part)]:
                self._add(*counted_keys(parts, self._dropped), self._dropped)

    def merge(self, other: FloatSketch) -> None:
        """Add what another sketch has seen."""
        self._count_waiting()
        other._count_waiting()
        if len(other._keys):
            self._add(other._keys, other._counts, other._dropped)

    def _add(self, keys: Integers, counts: Integers, dropped: int) -> None:
        """Add different keys, in order."""
        if dropped != self._dropped or not self._add_known(keys, counts):
            most = max(self._dropped, dropped)
            keys = np.concatenate([self._keys >> (most - self._dropped), keys >> (most - dropped)])
            self._keys, self._counts = summed(keys, np.concatenate([self._counts, counts]))
            self._dropped = most
        if too_many := _too_many_digits(self._keys):
            self._keys, self._counts = summed(self._keys >> too_many, self._counts)
            self._dropped += too_many

    def _add_known(self, keys: Integers, counts: Integers) -> bool:
        """Add keys, if all but some came before: in place, which takes no sorting."""
        if not len(self._keys):
            return False
        places = np.searchsorted(self._keys, keys)
        known = self._keys[np.minimum(places, len(self._keys) - 1)] == keys
        new = ~known
        self._counts[places[known]] += counts[known]
        if new.any():
            self._keys = np.insert(self._keys, places[new], keys[new])
            self._counts = np.insert(self._counts, places[new], counts[new])
        return True

    def counted(self) -> tuple[Floats, Integers, int]:
        """The numbers, how often each came, and how many of their last digits say nothing."""
        self._count_waiting()
        return numbers_of(self._keys << self._dropped), self._counts, self._dropped

    def numbers(self) -> Numbers | None:
        """The statistics; None if there was no value."""
        low, counts, dropped = self.counted()
        if not len(counts):
            return None
        high = numbers_of(((self._keys + 1) << dropped) - 1) if dropped else low
        return described(low, high, counts)


def _too_many_digits(keys: Integers) -> int:
    """How many of the last digits must be dropped for no more than so many different keys."""
    if len(keys) <= BINS:
        return 0
    apart = keys[1:] ^ keys[:-1]
    # The digits up to the first one that differs. A float holds 53 of them exactly.
    large = apart >> 52 != 0
    digits = np.frexp(np.where(large, apart >> 11, apart).astype(np.float64))[1] + 11 * large
    digits[apart < 0] = 64
    # Neighbours that differ in the first n digits only are one when n are dropped.
    still_apart = len(apart) - np.cumsum(np.bincount(digits, minlength=65))
    return int(np.flatnonzero(still_apart < BINS)[0])
