"""JSON lines as a Dataset, whatever they hold: every row equals its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from datasets import Dataset, concatenate_datasets
from llm_integrations.core.files import atomic_write
from llm_integrations.core.observability import get_logger
from llm_integrations.core.tables.line_tables import table_of_block
from llm_integrations.core.tables.line_types import Types, line_blocks, readable_type

__all__ = ["dataset_of_blocks", "open_lines"]

log = get_logger(__name__)

Blocks = Callable[[], Iterator[bytes]]


def open_lines(paths: Sequence[Path], into: Path) -> Dataset:
    """``dataset_of_blocks`` for files of JSON objects."""
    return dataset_of_blocks(partial(line_blocks, paths), into)


def dataset_of_blocks(blocks: Blocks, into: Path) -> Dataset:
    """Lines that hold objects as rows, memory-mapped from ``into``, which is written for it.

    The columns are of the types that all lines agree on: text is text, even if it looks like a
    time; what no one type holds, and objects whose keys differ, are ``Json()``, at any depth. The
    lines are read once; where a later one makes a column wider, those before it once more.

    Args:
        blocks: gives the lines, some megabytes at a time; the same each time.

    Raises:
        ConfigurationError: the names of the columns are data, and no table can hold them.
    """
    with atomic_write(into, mode=0o600) as stream:
        kinds, missing = _write_widest(blocks(), stream)
    if not kinds:
        if any(blocks()):
            log.warning(
                "`valid` is empty: all valid lines are {}, and a Dataset without columns has no "
                "rows; the report counts them, and `output` keeps the lines"
            )
        return Dataset.from_dict({})
    if not missing:
        return Dataset.from_file(str(into))
    before = into.with_suffix(".before.arrow")
    with (
        atomic_write(before, mode=0o600) as stream,
        pa.ipc.new_stream(stream, _schema(kinds)) as writer,
    ):
        for block in filter(None, islice(blocks(), missing)):
            writer.write_table(table_of_block(block, kinds)[0])
    return concatenate_datasets([Dataset.from_file(str(path)) for path in (before, into)])


def _write_widest(blocks: Iterator[bytes], stream: IO[bytes]) -> tuple[Types, int]:
    """Write the blocks behind which no column becomes wider.

    Returns:
        The types of the columns, and how many blocks are missing.
    """
    kinds: Types = {}
    missing = 0
    writer: Any = None
    for number, block in enumerate(blocks):
        if not block:
            continue
        table, found = table_of_block(block, kinds)
        if found != kinds:
            stream.seek(0)
            stream.truncate()
            kinds, missing = found, number
            writer = pa.ipc.new_stream(stream, _schema(kinds))
        if writer is not None:
            writer.write_table(table)
    if writer is not None:
        writer.close()
    return kinds, missing


def _schema(kinds: Types) -> pa.Schema:
    return pa.schema([(name, readable_type(kind)) for name, kind in kinds.items()])
