"""Rows with a key that an earlier row has, found by Arrow over a whole data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final

import pyarrow as pa

from datasets import Dataset
from llm_integrations.core.arrow.unique.keys import (
    Places,
    Rows,
    column_of,
    key_values,
    repeated_codes,
    value_codes,
)

__all__ = ["BATCH", "Rows", "repeated", "tables_of"]

BATCH: Final = 65_536


def tables_of(rows: Dataset) -> Iterator[pa.Table]:
    """The rows as tables of BATCH rows, the last one of fewer."""
    plain = rows.with_format("arrow")
    for start in range(0, len(rows), BATCH):
        yield plain[start : start + BATCH]


def repeated(parts: Sequence[tuple[Dataset, Rows]], key: Places) -> Rows:
    """Which rows have a key that an earlier one has, counted through all parts. Null is no key.

    Args:
        parts: Datasets, and which of their rows count.
        key: the columns, or pointers to members of structs, that make one key together.

    Raises:
        ConfigurationError: there is no such column.
    """
    return repeated_codes(reduce(_pair_codes, (_codes(parts, place) for place in key)))


def _codes(parts: Sequence[tuple[Dataset, Rows]], place: str) -> Rows:
    found = [_values(dataset, place).take(pa.array(rows)) for dataset, rows in parts]
    table = pa.concat_tables(
        [pa.table({"key": values}) for values in found], promote_options="permissive"
    )
    return value_codes(table["key"].combine_chunks())


def _pair_codes(one: Rows, other: Rows) -> Rows:
    """One code for each distinct pair of two columns' codes; -1 where either is."""
    both = one * (int(other.max(initial=0)) + 1) + other
    return value_codes(pa.array(both, mask=(one < 0) | (other < 0)))


def _values(rows: Dataset, place: str) -> pa.ChunkedArray:
    """The values at a place of all rows; only its column is read."""
    column = column_of(place, rows.column_names)
    return key_values(pa.concat_tables(tables_of(rows.select_columns(column))), place)
