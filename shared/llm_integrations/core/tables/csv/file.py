"""A CSV file as record batches, cell by cell what the schema makes of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa, pc
from llm_integrations.core.arrow.run.cell_overrides import BrokenRow, with_overrides
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables.admitted import admitted_types
from llm_integrations.core.tables.csv.columns import CsvColumn, settled
from llm_integrations.core.tables.csv.dialect import CsvDialect
from llm_integrations.core.tables.csv.utf8 import MARK, MarkedStream, unmarked
from llm_integrations.core.validation import Validator

__all__ = ["csv_batches"]

_BLOCK: Final = 1 << 23
"""Bytes that are read at once. No row may be longer."""
_FIRST: Final = 2
"""Arrow's number of the first row; the header is 1."""


def csv_batches(path: Path, validator: Validator | None, dialect: CsvDialect) -> Iterator[Any]:
    """Yield the rows, those included that are none (see ``overrides``).

    An empty cell is null. What is text, and what numbers and truth values, the schema says. A
    column that it does not speak of is of the type that all of its cells are of.

    Raises:
        ArrowInvalid: it is no CSV file.
        ConfigurationError: its header is no UTF-8, or looks like that of another dialect.
    """
    file = _CsvFile(path, dialect)
    columns = _columns(file, validator)
    for texts, broken in file.text_batches():
        yield _read(texts, columns, broken)


def _columns(file: _CsvFile, validator: Validator | None) -> list[CsvColumn]:
    says = [None if validator is None else admitted_types(validator, name) for name in file.names]
    columns = [CsvColumn.of(types) for types in says]
    undecided = [index for index, column in enumerate(columns) if column.type is None]
    if undecided:
        batches = ([texts.column(i) for i in undecided] for texts, _ in file.text_batches())
        found = settled([columns[index] for index in undecided], batches)
        for index, column in zip(undecided, found, strict=True):
            columns[index] = column
    return columns


def _read(texts: Any, columns: Sequence[CsvColumn], broken: dict[int, BrokenRow]) -> Any:
    names = texts.schema.names
    cells = [column.read(array) for column, array in zip(columns, texts.columns, strict=True)]
    overrides: dict[int, dict[str, Any]] = {}
    for name, found in zip(names, cells, strict=True):
        for row, value in found.overrides.items():
            overrides.setdefault(row, {})[name] = value
    batch = pa.RecordBatch.from_arrays([found.array for found in cells], names=names)
    kept = {
        name: found.kept for name, found in zip(names, cells, strict=True) if found.kept is not None
    }
    return with_overrides(batch, {**overrides, **broken}, kept)


class _CsvFile:
    """A file's cells as text."""

    def __init__(self, path: Path, dialect: CsvDialect) -> None:
        self._path = path
        self._delimiter = dialect.between(path)
        self._quote = dialect.quote
        self._marked_names: list[str] = []
        self.names = self._names()
        dialect.check_names(self.names, path)

    def _names(self) -> list[str]:
        with MarkedStream(self._path) as stream, self._open(stream, lambda _row: "skip") as reader:
            self._marked_names = list(reader.schema.names)
        found = list(map(unmarked, self._marked_names))
        if not all(is_utf8 for _, is_utf8 in found):
            raise ConfigurationError(f"{self._path} cannot be read: its column names are no UTF-8")
        return [name for name, _ in found]

    def text_batches(self) -> Iterator[tuple[Any, dict[int, BrokenRow]]]:
        """Batches of nothing but text, and by position the rows of nulls that stand for broken
        ones."""
        skipped: deque[Any] = deque()

        def skip(row: Any) -> str:
            skipped.append(row)
            return "skip"

        number = _FIRST
        with MarkedStream(self._path) as stream, self._open(stream, skip) as reader:
            for batch in reader:
                broken = _broken(skipped, number, batch.num_rows)
                number += batch.num_rows + len(broken)
                texts = _with_gaps(batch.rename_columns(self.names), broken)
                yield self._unmarked(texts, broken) if stream.marked else (texts, broken)
        if skipped:
            texts = pa.RecordBatch.from_arrays(
                [pa.array([], pa.string())] * len(self.names), self.names
            )
            broken = _broken(skipped, number, 0)
            yield _with_gaps(texts, broken), broken

    def _unmarked(
        self, texts: Any, broken: dict[int, BrokenRow]
    ) -> tuple[Any, dict[int, BrokenRow]]:
        """The batch as it stands in the file; its rows that are no UTF-8 are broken as well."""
        marks = [pc.fill_null(pc.match_substring(column, MARK), False) for column in texts.columns]
        marked = reduce(pc.or_, marks)
        rows = pc.indices_nonzero(marked).to_pylist()
        cells: list[list[str | None]] = []
        for row, own in zip(rows, _rows(texts.filter(marked)), strict=True):
            found = [(None, True) if cell is None else unmarked(cell) for cell in own]
            cells.append([text for text, _ in found])
            if not all(is_utf8 for _, is_utf8 in found):
                broken[row] = BrokenRow(self._written(cells[-1]), "the row is no UTF-8")
                cells[-1] = [None] * len(found)
        for index, column in enumerate(zip(*cells, strict=True)):
            whole = pc.replace_with_mask(texts.column(index), marked, pa.array(column, pa.string()))
            texts = texts.set_column(index, self.names[index], whole)
        return texts, broken

    def _written(self, cells: Sequence[str | None]) -> str:
        """Cells as a row, as it may have stood in the file."""
        return self._delimiter.join(self._quoted(cell or "") for cell in cells)

    def _quoted(self, cell: str) -> str:
        quote = self._quote
        if not quote or not {self._delimiter, quote, "\n", "\r"} & set(cell):
            return cell
        return f"{quote}{cell.replace(quote, quote * 2)}{quote}"

    def _open(self, stream: MarkedStream, on_broken: Any) -> Any:
        from pyarrow import csv

        # Arrow numbers the rows only if one thread reads them.
        reading = csv.ReadOptions(block_size=_BLOCK, use_threads=False)
        parsing = csv.ParseOptions(
            delimiter=self._delimiter,
            quote_char=self._quote or False,
            newlines_in_values=bool(self._quote),
            invalid_row_handler=on_broken,
        )
        converting = csv.ConvertOptions(
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=False,
            column_types=dict.fromkeys(self._marked_names, pa.string()),
        )
        return csv.open_csv(stream, reading, parsing, converting)


def _rows(texts: Any) -> Iterator[tuple[str | None, ...]]:
    return zip(*(column.to_pylist() for column in texts.columns), strict=True)


def _broken(skipped: deque[Any], first: int, rows: int) -> dict[int, BrokenRow]:
    """Those of the skipped rows that stand among so many rows or next to them, by position."""
    found: dict[int, BrokenRow] = {}
    while skipped and skipped[0].number - first - len(found) <= rows:
        row = skipped.popleft()
        reason = f"the row has {row.actual_columns} cells, the header {row.expected_columns}"
        found[row.number - first] = BrokenRow(unmarked(row.text)[0], reason)
    return found


def _with_gaps(batch: Any, broken: dict[int, BrokenRow]) -> Any:
    if not broken:
        return batch
    whole = np.ones(batch.num_rows + len(broken), dtype=bool)
    whole[list(broken)] = False
    return batch.take(pa.array(np.cumsum(whole) - 1, mask=~whole))
