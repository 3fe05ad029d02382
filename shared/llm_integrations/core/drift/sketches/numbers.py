"""Numbers of a column, gathered block by block, in any order and on any workers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.drift.profile import Numbers
from llm_integrations.core.drift.sketches.float_keys import Integers
from llm_integrations.core.drift.sketches.floats import FloatSketch
from llm_integrations.core.drift.sketches.wholes import WholeSketch, floats_of

__all__ = ["NumberSketch"]

_EXACT: Final = 2**53
"""Up to here a float holds every whole number."""
_OFTEN: Final = 4


class NumberSketch:
    """How often each number came: of floats, and of whole numbers that floats hold, as floats; of
    whole numbers where some are larger, as these."""

    def __init__(self) -> None:
        self._sketch: FloatSketch | WholeSketch = FloatSketch()
        self._whole = True

    def add(self, values: npt.NDArray[Any]) -> None:
        """Add floats, integers of any width, or Python's integers."""
        if not len(values):
            return
        if values.dtype.kind == "f":
            self._become(whole=False, large=False)
            self._sketch.add(values.astype(np.float64, copy=False))
            return
        least, most = int(values.min()), int(values.max())
        large = max(-least, most) > _EXACT
        self._become(whole=True, large=large)
        if isinstance(self._sketch, WholeSketch):
            self._sketch.add(values)
        elif not large and values.dtype != object and (most - least) * _OFTEN < len(values):
            counts = np.bincount(values.astype(np.int64, copy=False) - least)
            found = np.flatnonzero(counts)
            self._sketch.add_counted((found + least).astype(np.float64), counts[found])
        else:
            self._sketch.add(floats_of(values) if large else values.astype(np.float64))

    def add_counted(self, values: npt.NDArray[np.float64], counts: Integers) -> None:
        """Add finite floats that came so often."""
        self._become(whole=False, large=False)
        if isinstance(self._sketch, FloatSketch):
            self._sketch.add_counted(values, counts)

    def merge(self, other: NumberSketch) -> None:
        """Add what another sketch has seen."""
        large = any(isinstance(one._sketch, WholeSketch) for one in (self, other))
        whole = self._whole and other._whole
        self._become(whole=whole, large=large)
        other._become(whole=whole, large=large)
        self._sketch.merge(other._sketch)  # type: ignore[arg-type]  # both became the same

    def _become(self, *, whole: bool, large: bool) -> None:
        self._whole = self._whole and whole
        if isinstance(self._sketch, WholeSketch):
            self._sketch = self._sketch if self._whole else self._sketch.as_floats()
        elif self._whole and large:
            self._sketch = WholeSketch.of(self._sketch)

    def numbers(self) -> Numbers | None:
        """The statistics; None if there was no value."""
        return self._sketch.numbers()
