"""Rows of a table by a mask, whatever the types of its columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = ["rows_where"]


def rows_where(table: Any, mask: Any) -> Any:
    """The rows of a table or batch for which a BooleanArray without nulls is true."""
    try:
        return table.filter(mask)
    except pa.ArrowNotImplementedError:
        columns = [_where(column, mask) for column in table.columns]
        return type(table).from_arrays(columns, schema=table.schema)


def _where(column: Any, mask: Any) -> Any:
    try:
        return column.filter(mask)
    except pa.ArrowNotImplementedError:
        # Arrow cannot select from views and runs, and can put slices of them together.
        return pa.concat_arrays(_slices(column, mask) or [pa.nulls(0, column.type)])


def _slices(column: Any, mask: Any) -> list[Any]:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    bits = np.concatenate([[False], np.asarray(mask), [False]])
    edges = np.flatnonzero(bits[1:] != bits[:-1])
    found, first = [], 0
    for chunk in chunks:
        within = np.clip(edges, first, first + len(chunk)) - first
        found += [chunk.slice(start, end - start) for start, end in within.reshape(-1, 2)]
        first += len(chunk)
    return [part for part in found if len(part)]
