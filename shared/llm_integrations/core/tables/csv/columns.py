"""What a column of a CSV file holds: by the schema, or where that leaves it open, by its cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.tables.admitted import Types
from llm_integrations.core.tables.csv.cells import (
    is_whole,
    meant,
    split_cells,
    values_of_texts,
    whole_column,
)

__all__ = ["CsvCells", "CsvColumn", "settled"]

_TEXT: Final = pa.string()
_FIRST: Final = 1000
"""Cells that tell of what type most are."""
_VALUES: Final = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_WIDEST_FIRST: Final = (pa.float64(), pa.int64(), pa.bool_())
_TIMES: Final = (
    pa.date32(),
    pa.timestamp("s"),
    pa.timestamp("ns"),
    pa.timestamp("s", "UTC"),
    pa.timestamp("ns", "UTC"),
)


@dataclass(frozen=True)
class CsvCells:
    """Some cells of a column, read.

    Attributes:
        array: what they are judged as; null where a cell says what the array cannot hold.
        overrides: by position what those say.
        kept: what is handed on; the array itself if all of it is of the column's type.
    """

    array: Any
    overrides: Mapping[int, Any] = field(default_factory=dict)
    kept: Any = None


@dataclass(frozen=True)
class CsvColumn:
    """One column.

    Attributes:
        kinds: the Arrow types that its cells may be of besides text, the narrowest first.
        mixes: whether each cell is judged as what it is, whatever the others are.
        type: the Arrow type of the column; None as long as that depends on all of its cells.
        judged: the Arrow type of most cells, if it is not the column's.
    """

    kinds: tuple[Any, ...]
    mixes: bool
    type: Any | None
    judged: Any | None = None

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

    def read(self, texts: Any) -> CsvCells:
        """ArrowInvalid: the file has changed since its cells were seen."""
        if self.judged is not None:
            array, others = split_cells(texts, self.judged, plain=True)
            return CsvCells(array, self._mixed(others), texts)
        if self.type == _TEXT:
            return CsvCells(texts, values_of_texts(texts, self.kinds) if self.mixes else {})
        if self.type == pa.null():
            return CsvCells(pa.nulls(len(texts)))
        column = whole_column(texts, self.type)
        if column is not None:
            return CsvCells(column)
        if not self.mixes:
            return CsvCells(texts.cast(self.type))
        column, others = split_cells(texts, self.type)
        return CsvCells(column, {row: meant(text, self.type) for row, text in others.items()})

    def _mixed(self, others: Mapping[int, str]) -> dict[int, Any]:
        """What cells say that are not of the type of most."""
        rest = [kind for kind in self.kinds if kind != self.judged]
        found = values_of_texts(pa.array(others.values(), _TEXT), rest)
        return {row: found.get(n, text) for n, (row, text) in enumerate(others.items())}


def settled(columns: Sequence[CsvColumn], batches: Iterable[Sequence[Any]]) -> list[CsvColumn]:
    """The columns with the type that all of their cells are of; text if there is none.

    Args:
        columns: whose type depends on the cells.
        batches: their cells, as StringArrays.
    """
    seen = [_Seen(column) for column in columns]
    for arrays in batches:
        for one, texts in zip(seen, arrays, strict=True):
            one.look(texts)
        if not any(one.kinds for one in seen):
            break
    return [one.settled() for one in seen]


class _Seen:
    """What was seen of a column's cells: which types all are of, and which most of the first."""

    def __init__(self, column: CsvColumn) -> None:
        self.kinds = column.kinds
        self._column = column
        self._first: Any = None

    def look(self, texts: Any) -> None:
        if texts.null_count == len(texts):
            return
        if self._first is None:
            self._first = texts.drop_null()[:_FIRST]
        self.kinds = tuple(kind for kind in self.kinds if is_whole(texts, kind))

    def settled(self) -> CsvColumn:
        if self._first is None:
            return replace(self._column, type=pa.null())
        if self.kinds or not self._column.mixes:
            return replace(self._column, type=next(iter(self.kinds), _TEXT))
        return replace(self._column, type=_TEXT, judged=self._most())

    def _most(self) -> Any | None:
        """Cells of another type are judged one by one, so there should be few."""
        kinds = [kind for kind in _WIDEST_FIRST if kind in self._column.kinds]
        others = {kind: len(split_cells(self._first, kind)[1]) for kind in kinds}
        kind = min(kinds, key=others.__getitem__)
        return kind if others[kind] < len(self._first) / 2 else None
