"""Which dates and times Python certainly holds, and writes as text like any other of their type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Mask, both, collapse
from llm_integrations.core.arrow.kernels.nodes import Leaf, Node
from llm_integrations.core.arrow.pyarrow_modules import pa, types

__all__ = ["ordinary_times", "sample_of"]

_EPOCH: Final = date(1970, 1, 1)
_FIRST: Final = (date(2, 1, 1) - _EPOCH).days
_LAST: Final = (date(9998, 12, 31) - _EPOCH).days
"""A time zone may carry a time into the year before or after."""

_DAY: Final = 86_400
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MILLISECONDS: Final = 1000


def sample_of(kind: Any) -> date | None:
    """A value of a type whose ordinary values all have the same form as text; else None.

    That is so of dates, and of times without a zone or in UTC: the offset of another zone has
    changed over the years, and not all that it was can be written.
    """
    if types.is_date(kind):
        return _EPOCH
    if types.is_timestamp(kind) and kind.tz in (None, "UTC"):
        return datetime(1970, 1, 1, tzinfo=UTC if kind.tz else None)
    return None


def ordinary_times(kind: Any) -> Node:
    """On which values of such a type what holds of the sample does."""
    if types.is_date32(kind):
        return _Ordinary(pa.int32(), _FIRST, _LAST)
    per_day = _DAY * (_MILLISECONDS if types.is_date64(kind) else _PER_SECOND[kind.unit])
    whole = not types.is_date64(kind) and kind.unit == "ns"
    return _Ordinary(pa.int64(), _FIRST * per_day, _LAST * per_day, 1000 if whole else 1)


@dataclass(frozen=True)
class _Ordinary(Leaf):
    """Attributes: the integers that the values are stored as, the bounds, and the step: Python's
    times have microseconds at the finest."""

    stored: Any
    low: int
    high: int
    step: int = 1

    def judge(self, cells: Cells) -> Mask:
        numbers = Cells(cells.array.view(self.stored)).numbers
        within = collapse(np.logical_and(numbers >= self.low, numbers <= self.high))
        if self.step == 1:
            return within
        return both(within, collapse(np.remainder(numbers, self.step) == 0))
