"""``^…$`` patterns over ASCII classes, judged on all bytes of a column at once.

Identifiers, dates and codes are mostly of that form. Comparing whole buffers costs about as much as
reading them, where a regular expression costs a call per text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Bits, Mask, both, collapse
from llm_integrations.core.arrow.kernels.nodes import Leaf, Node
from llm_integrations.core.arrow.kernels.pattern_pieces import Piece, pieces

__all__ = ["byte_pattern"]

_LONGEST_EDGE: Final = 8
_LONGEST_FIXED: Final = 64
_MOST_RANGES: Final = 4

Bytes = npt.NDArray[np.uint8]


def byte_pattern(pattern: str) -> Node | None:
    """A node for this pattern, or None when it is not of a form that we judge by its bytes."""
    parts = pieces(pattern)
    if parts is None:
        return None
    loose = [index for index, part in enumerate(parts) if part.least != part.most]
    if not loose:
        letters = _letters(parts)
        return _Fixed(letters) if 0 < len(letters) <= _LONGEST_FIXED else None
    if len(loose) > 1:
        return None
    head, tail = _letters(parts[: loose[0]]), _letters(parts[loose[0] + 1 :])
    if len(head) + len(tail) > _LONGEST_EDGE:
        return None
    return _Run(head, parts[loose[0]], tail)


def _letters(parts: tuple[Piece, ...]) -> tuple[frozenset[int], ...]:
    return tuple(part.allowed for part in parts for _ in range(part.least))


class _Fixed(Leaf):
    """As many characters as there are sets, each out of its own."""

    def __init__(self, letters: tuple[frozenset[int], ...]) -> None:
        self.size = len(letters)
        self.ranges = _columns(letters)
        self.table = np.stack([_table(allowed) for allowed in letters])

    def judge(self, cells: Cells) -> Mask:
        right = collapse(cells.sizes == self.size)
        if right is True:
            return self._judge(cells.data, cells.length)
        if right is False:
            return False
        assert not isinstance(right, bool)  # noqa: S101 - narrows the type
        chosen = cells.starts[right]
        data = cells.data[chosen[:, None] + np.arange(self.size)].ravel()
        verdict = right.copy()
        verdict[right] = self._judge(data, len(chosen))
        return verdict

    def _judge(self, data: Bytes, rows: int) -> Mask:
        good = self._letters(data, rows)
        if good.all():
            return True
        verdict = np.ones(rows, np.bool_)
        verdict[np.flatnonzero(~good) // self.size] = False
        return verdict

    def _letters(self, data: Bytes, rows: int) -> Bits:
        if self.ranges is None:
            return self.table[np.tile(np.arange(self.size), rows), data]
        good = np.zeros(len(data), np.bool_)
        for low, width in self.ranges:
            good |= (data - np.tile(low, rows)) <= np.tile(width, rows)
        return good


@dataclass(frozen=True)
class _Run(Leaf):
    """Any number of characters out of one set, between a fixed beginning and a fixed end."""

    head: tuple[frozenset[int], ...]
    run_of: Piece
    tail: tuple[frozenset[int], ...]

    def judge(self, cells: Cells) -> Mask:
        edges = len(self.head) + len(self.tail)
        sizes = cells.sizes
        long_enough = collapse(sizes >= edges + self.run_of.least)
        most = self.run_of.most
        short_enough = True if most is None else collapse(sizes <= edges + most)
        right = both(long_enough, short_enough)
        return right if right is False else both(right, self._judge(cells, right))

    def _judge(self, cells: Cells, right: Mask) -> Mask:
        good = _among(self.run_of.allowed, cells.data)
        chosen = cells.starts if right is True else cells.starts[right]
        ends = chosen + (cells.sizes if right is True else cells.sizes[right])
        for index, allowed in enumerate(self.head):
            good[chosen + index] = _table(allowed)[cells.data[chosen + index]]
        for index, allowed in enumerate(reversed(self.tail), 1):
            good[ends - index] = _table(allowed)[cells.data[ends - index]]
        if good.all():
            return True
        verdict = np.ones(cells.length, np.bool_)
        verdict[np.searchsorted(cells.starts, np.flatnonzero(~good), "right") - 1] = False
        return verdict


def _among(allowed: frozenset[int], data: Bytes) -> Bits:
    ranges = _ranges(allowed)
    if len(ranges) > _MOST_RANGES:
        return _table(allowed)[data]
    good = np.zeros(len(data), np.bool_)
    for low, width in ranges:
        good |= (data - np.uint8(low)) <= np.uint8(width)
    return good


def _table(allowed: frozenset[int]) -> Bits:
    table = np.zeros(256, np.bool_)
    table[list(allowed)] = True
    return table


def _ranges(allowed: frozenset[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring characters: the first, and how many follow it."""
    found: list[tuple[int, int]] = []
    for code in sorted(allowed):
        if found and code == sum(found[-1]) + 1:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((code, 0))
    return found


def _columns(letters: tuple[frozenset[int], ...]) -> list[tuple[Any, Any]] | None:
    """For each of the first, second … ranges of every position: their lows and widths."""
    ranges = [_ranges(allowed) for allowed in letters]
    if max(len(found) for found in ranges) > _MOST_RANGES:
        return None
    rounds = []
    for index in range(max(len(found) for found in ranges)):
        chosen = [found[min(index, len(found) - 1)] for found in ranges]
        lows, widths = zip(*chosen, strict=True)
        rounds.append((np.array(lows, np.uint8), np.array(widths, np.uint8)))
    return rounds
