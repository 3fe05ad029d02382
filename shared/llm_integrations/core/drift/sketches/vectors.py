"""Vectors, as embeddings are: their norms, and where they lie along some fixed directions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.pyarrow_modules import pa, pc
from llm_integrations.core.drift.profile import ColumnProfile
from llm_integrations.core.drift.sketches.numbers import NumberSketch

__all__ = ["VectorSketch"]

_FEWEST: Final = 8
"""Numbers that a vector has at least; shorter lists are compared number by number."""
_DIRECTIONS: Final = 8
_AT_ONCE: Final = 4_000_000
_Floats = npt.NDArray[np.float64]


class VectorSketch:
    """Adds up blocks of vectors of one dimension; others are left out, and show in the lengths."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        # This generator gives the same numbers in every version of numpy.
        signs = np.random.RandomState(dimension).randint(0, 2, (dimension, _DIRECTIONS)) * 2.0 - 1
        self._directions: _Floats = signs / np.sqrt(dimension)
        self._sketches = [NumberSketch() for _ in range(_DIRECTIONS + 1)]

    @classmethod
    def of(cls, lists: Any) -> VectorSketch | None:
        """None where lists of numbers are no vectors: they are short, or of several lengths."""
        sizes = pc.unique(pc.list_value_length(lists)).to_pylist()
        return cls(sizes[0]) if len(sizes) == 1 and sizes[0] >= _FEWEST else None

    def add(self, lists: Any) -> None:
        sizes = pc.list_value_length(lists)
        lists = lists.filter(pc.equal(sizes, self._dimension))
        step = max(_AT_ONCE // self._dimension, 1)
        for start in range(0, len(lists), step):
            self._add(pc.list_flatten(lists.slice(start, step)))

    def _add(self, numbers: Any) -> None:
        flat = numbers.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        vectors: _Floats = flat.reshape(-1, self._dimension)
        with np.errstate(all="ignore"):
            found = [np.linalg.norm(vectors, axis=1), *(vectors @ self._directions).T]
        for sketch, values in zip(self._sketches, found, strict=True):
            sketch.add(values)

    def merge(self, other: VectorSketch) -> None:
        """Add what another sketch has seen; vectors of another dimension are left out."""
        if other._dimension == self._dimension:
            for mine, theirs in zip(self._sketches, other._sketches, strict=True):
                mine.merge(theirs)

    def parts(self) -> dict[str, ColumnProfile]:
        """ "norm" and "projection 1" … as columns of numbers."""
        kind = f"of {self._dimension} numbers"
        names = ["norm", *(f"projection {n + 1}" for n in range(_DIRECTIONS))]
        profiles = [sketch.numbers() for sketch in self._sketches]
        return {
            name: ColumnProfile(kind, "number", numbers.count, 0, numbers)
            for name, numbers in zip(names, profiles, strict=True)
            if numbers is not None
        }
