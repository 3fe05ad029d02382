"""Cutting tables into batches, and running something over them on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.errors import ConfigurationError

__all__ = ["BATCH_ROWS", "as_table", "batches_of", "over_batches"]

BATCH_ROWS: Final = 65_536
"""What fits into a processor's caches, and is large enough to forget the cost of a call."""

_CRUMBS: Final = 32_768
_HEAVY: Final = 1 << 26
"""Bytes in so many rows that the calls no longer matter, and copies would fill the memory."""
_MOST_THREADS: Final = 8
_AT_A_TIME: Final = 4

T = TypeVar("T")


def as_table(data: Any) -> Any:
    """A table or a batch as a table. ConfigurationError for anything else."""
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return data
    raise ConfigurationError(f"expected a pyarrow Table or RecordBatch, not {type(data).__name__}")


def batches_of(data: Any) -> Iterator[Any]:
    """A table or a batch as record batches of BATCH_ROWS rows at the most, in order.

    Raises:
        ConfigurationError: it is something else.
    """
    data = as_table(data)
    if data.num_rows and not data.num_columns:
        raise ConfigurationError("a table without columns does not say how many rows it has")
    for start in range(0, data.num_rows, BATCH_ROWS):
        part = data.slice(start, BATCH_ROWS)
        pieces = part.to_batches()
        if len(pieces) * _CRUMBS > part.num_rows and part.nbytes < _HEAVY:
            # Copying crumbs together costs less than a round of calls for each.
            pieces = _combined(part) or pieces
        yield from pieces


def _combined(table: Any) -> list[Any]:
    """One batch; none where the chunks' words are too many for short codes (of categoricals)."""
    try:
        return list(table.combine_chunks().to_batches())
    except pa.ArrowInvalid:
        return []


def over_batches(task: Callable[[Any, int], T], data: Any, threads: int | None) -> Iterator[T]:
    """``task(batch, first_row)`` for each batch, in order.

    Args:
        threads: how many at once; None for as many as there are processors, 8 at the most.
    """
    data = as_table(data)
    numbered = _numbered(batches_of(data))
    most = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    if most < 2 or data.num_rows <= BATCH_ROWS:
        yield from (task(batch, first) for batch, first in numbered)
        return
    with ThreadPoolExecutor(most, "llm-integrations-arrow") as pool:
        # Some at a time, all of them done before the first is given away: what the caller does
        # with it in Python would be in these threads' way, and they in its.
        for several in _groups(numbered, _AT_A_TIME * most * BATCH_ROWS):
            yield from list(pool.map(task, *zip(*several, strict=True)))


def _numbered(batches: Iterator[Any]) -> Iterator[tuple[Any, int]]:
    first = 0
    for batch in batches:
        yield batch, first
        first += batch.num_rows


def _groups(batches: Iterator[tuple[Any, int]], rows: int) -> Iterator[list[tuple[Any, int]]]:
    """Lists of batches that together have so many rows, or a few more."""
    held: list[tuple[Any, int]] = []
    count = 0
    for batch, first in batches:
        held.append((batch, first))
        count += batch.num_rows
        if count >= rows:
            yield held
            held, count = [], 0
    if held:
        yield held
