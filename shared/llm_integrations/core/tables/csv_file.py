"""A CSV file as record batches, cell by cell what the schema makes of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.arrow.run.cell_overrides import BrokenRow, with_overrides
from llm_integrations.core.tables.admitted import admitted_types
from llm_integrations.core.tables.csv_columns import CsvColumn, settled
from llm_integrations.core.validation import Validator

__all__ = ["csv_batches"]

_BLOCK: Final = 1 << 23
"""Bytes that are read at once. No row may be longer."""
_FIRST: Final = 2
"""Arrow's number of the first row; the header is 1."""


def csv_batches(path: Path, validator: Validator | None) -> Iterator[Any]:
    """Yield the rows, those included that are none (see ``overrides``).

    An empty cell is null. What is text, and what numbers and truth values, the schema says. A
    column that it does not speak of is of the type that all of its cells are of.

    Raises:
        ArrowInvalid: it is no CSV file, or no UTF-8.
    """
    names = _names(path)
    columns = _columns(path, names, validator)
    for texts, broken in _text_batches(path, names):
        yield _read(texts, columns, broken)


def _columns(path: Path, names: Sequence[str], validator: Validator | None) -> list[CsvColumn]:
    says = [None if validator is None else admitted_types(validator, name) for name in names]
    columns = [CsvColumn.of(types) for types in says]
    undecided = [index for index, column in enumerate(columns) if column.type is None]
    if undecided:
        batches = ([texts.column(i) for i in undecided] for texts, _ in _text_batches(path, names))
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


def _names(path: Path) -> list[str]:
    from pyarrow import csv

    parsing = _parsing(lambda _row: "skip")
    with csv.open_csv(path, read_options=_reading(), parse_options=parsing) as reader:
        return list(reader.schema.names)


def _text_batches(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, dict[int, BrokenRow]]]:
    """Batches of nothing but text, and by position the rows of nulls that stand for broken ones."""
    from pyarrow import csv

    skipped: deque[Any] = deque()

    def skip(row: Any) -> str:
        skipped.append(row)
        return "skip"

    converting = csv.ConvertOptions(
        strings_can_be_null=True, null_values=[""], column_types=dict.fromkeys(names, pa.string())
    )
    number = _FIRST
    with csv.open_csv(
        path, read_options=_reading(), parse_options=_parsing(skip), convert_options=converting
    ) as reader:
        for batch in reader:
            broken = _broken(skipped, number, batch.num_rows)
            yield _with_gaps(batch, broken), broken
            number += batch.num_rows + len(broken)
    if skipped:
        empty = pa.RecordBatch.from_arrays([pa.array([], pa.string())] * len(names), list(names))
        broken = _broken(skipped, number, 0)
        yield _with_gaps(empty, broken), broken


def _reading() -> Any:
    from pyarrow import csv

    # Arrow numbers the rows only if one thread reads them.
    return csv.ReadOptions(block_size=_BLOCK, use_threads=False)


def _parsing(on_broken: Any) -> Any:
    from pyarrow import csv

    return csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_broken)


def _broken(skipped: deque[Any], first: int, rows: int) -> dict[int, BrokenRow]:
    """Those of the skipped rows that stand among so many rows or next to them, by position."""
    found: dict[int, BrokenRow] = {}
    while skipped and skipped[0].number - first - len(found) <= rows:
        row = skipped.popleft()
        reason = f"the row has {row.actual_columns} cells, the header {row.expected_columns}"
        found[row.number - first] = BrokenRow(row.text, reason)
    return found


def _with_gaps(batch: Any, broken: dict[int, BrokenRow]) -> Any:
    if not broken:
        return batch
    whole = np.ones(batch.num_rows + len(broken), dtype=bool)
    whole[list(broken)] = False
    return batch.take(pa.array(np.cumsum(whole) - 1, mask=~whole))
