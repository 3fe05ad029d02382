"""What a column of a CSV file holds: by the schema, or where that leaves it open, by its cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_integrations.core.tables.admitted import Types
from llm_integrations.core.tables.csv_cells import (
    meant,
    split_cells,
    values_of_texts,
    whole_column,
)
from llm_integrations.core.validation.arrow.kernels import pa

__all__ = ["CsvColumn", "settled"]

_TEXT: Final = pa.string()
_VALUES: Final = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_TIMES: Final = (
    pa.date32(),
    pa.timestamp("s"),
    pa.timestamp("ns"),
    pa.timestamp("s", "UTC"),
    pa.timestamp("ns", "UTC"),
)


@dataclass(frozen=True)
class CsvColumn:
    """One column.

    Attributes:
        kinds: the Arrow types that its cells may be of besides text, the narrowest first.
        mixes: whether each cell is judged as what it is, whatever the others are.
        type: the Arrow type of the column; None as long as that depends on all of its cells.
    """

    kinds: tuple[Any, ...]
    mixes: bool
    type: Any | None

    @classmethod
    def of(cls, admitted: Types) -> CsvColumn:
        """The column in which a schema admits these JSON types."""
        if admitted is None:
            return cls((*_VALUES.values(), *_TIMES), mixes=False, type=None)
        kinds: tuple[Any, ...] = tuple(kind for name, kind in _VALUES.items() if name in admitted)
        if not kinds:
            return cls((), mixes=False, type=_TEXT)
        *_, widest = kinds
        several = "string" in admitted or (pa.bool_() in kinds and len(kinds) > 1)
        return cls(kinds, mixes=True, type=None if several else widest)

    def read(self, texts: Any) -> tuple[Any, dict[int, Any]]:
        """The cells as an array, and by position what those say that the array cannot hold.

        Raises:
            ArrowInvalid: the file has changed since its cells were seen.
        """
        if self.type == _TEXT:
            return texts, values_of_texts(texts, self.kinds) if self.mixes else {}
        if self.type == pa.null():
            return pa.nulls(len(texts)), {}
        column = whole_column(texts, self.type)
        if column is not None:
            return column, {}
        if not self.mixes:
            return texts.cast(self.type), {}
        column, others = split_cells(texts, self.type)
        return column, {row: meant(text, self.type) for row, text in others.items()}


def settled(columns: Sequence[CsvColumn], batches: Iterable[Sequence[Any]]) -> list[CsvColumn]:
    """The columns with the type that all of their cells are of; text if there is none.

    Args:
        columns: whose type depends on the cells.
        batches: their cells, as StringArrays.
    """
    left = [column.kinds for column in columns]
    empty = [True] * len(columns)
    for arrays in batches:
        for index, texts in enumerate(arrays):
            if texts.null_count < len(texts):
                empty[index] = False
                left[index] = tuple(k for k in left[index] if whole_column(texts, k) is not None)
        if not any(left):
            break
    found = [
        pa.null() if none else next(iter(kinds), _TEXT)
        for none, kinds in zip(empty, left, strict=True)
    ]
    return [replace(column, type=kind) for column, kind in zip(columns, found, strict=True)]
