"""Rows that are invalid for the same reasons, told by the masks of the columns alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.kernels.cells import Cells
from llm_integrations.core.arrow.kernels.masks import Bits, expand
from llm_integrations.core.arrow.kernels.nodes import Node

__all__ = ["Alike"]

_Groups = npt.NDArray[np.int64]
_MOST: Final = 62
"""Parts of a schema that rows of one batch fail by: one bit of a number for each."""


@dataclass(frozen=True)
class Alike:
    """Puts invalid rows into groups whose violations are the same, word for word.

    A row is judged by parts that must all hold. Where each part that it fails refuses for one
    reason only (a keyword of a column, or a null), these parts say all that is wrong with it.

    Attributes:
        singles: the parts that refuse for one reason only.
        others: the parts that may refuse for several.
    """

    singles: tuple[Node, ...]
    others: tuple[Node, ...]

    @classmethod
    def of(cls, node: Node, finite: Node) -> Alike | None:
        """None where masks tell of no violation what it is.

        Args:
            node: judges a row.
            finite: which rows hold finite numbers only: others have violations of their own.
        """
        parts = list(node.parts())
        singles = tuple(part for part in parts if part.is_single)
        others = tuple(part for part in parts if not part.is_single)
        return cls(singles, (*others, finite)) if singles else None

    def groups(self, rows: Any) -> _Groups:
        """For each row of a batch its group; -1 for a row that has to be looked at by itself."""
        cells = Cells(rows.to_struct_array())
        groups = np.zeros(rows.num_rows, np.int64)
        number = 0
        with np.errstate(all="ignore"):
            for part in self.singles:
                fails = ~_bits(part, cells)
                if fails.any():
                    groups |= fails.astype(np.int64) << min(number, _MOST)
                    number += 1
            for part in self.others:
                groups[~_bits(part, cells)] = -1
        if number > _MOST:
            groups[:] = -1
        groups[groups == 0] = -1
        return groups


def _bits(part: Node, cells: Cells) -> Bits:
    return expand(part.run(cells, True), cells.length)
