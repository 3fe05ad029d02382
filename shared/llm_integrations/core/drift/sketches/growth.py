"""Whether numbers only grow from row to row, as those of a counter do."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np

__all__ = ["Growth"]

_FEWEST: Final = 10


class Growth:
    """Of rows in order, and of parts in any order: none of which reaches into another then."""

    def __init__(self) -> None:
        self._ascends = True
        self._count = 0
        self._parts: list[tuple[float, float]] = []

    def add(self, numbers: Any) -> None:
        """Add the next numbers."""
        self._count += len(numbers)
        if not self._ascends or not len(numbers):
            return
        first, last = numbers[[0, -1]].tolist()
        if self._parts:
            start, end = self._parts[-1]
            self._ascends, self._parts = first > end, [*self._parts[:-1], (start, last)]
        else:
            self._parts = [(first, last)]
        self._ascends = self._ascends and bool(np.all(numbers[1:] > numbers[:-1]))

    def merge(self, other: Growth) -> None:
        """Add a part, which may stand before or after what was added."""
        self._ascends = self._ascends and other._ascends
        self._count += other._count
        self._parts = [*self._parts, *other._parts]

    @property
    def ascending(self) -> bool:
        """Parts of a few numbers grow by chance, and do not count."""
        if not self._ascends or (len(self._parts) > 1 and self._count < _FEWEST * len(self._parts)):
            return False
        parts = sorted(self._parts)
        return all(end < start for (_, end), (start, _) in pairwise(parts))
