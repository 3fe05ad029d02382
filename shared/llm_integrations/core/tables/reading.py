"""Reads a file of rows of any size as Arrow tables, block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.files import reason_of
from llm_integrations.core.tables.csv.dialect import CSV_SUFFIXES, CsvDialect

if TYPE_CHECKING:
    from llm_integrations.core.validation import Validator

__all__ = ["BLOCK_ROWS", "LINE_SUFFIXES", "TABLE_SUFFIXES", "read_tables", "rows_in"]

BLOCK_ROWS: Final = 262_144
"""Rows of one block: some 50 MB of an ordinary table."""
TABLE_SUFFIXES: Final = (".parquet", *CSV_SUFFIXES, ".arrow", ".feather")
LINE_SUFFIXES: Final = (".jsonl", ".ndjson")
"""Files of JSON lines, which are no tables: a line may hold anything."""
_BATCH: Final = 65_536
_LENGTH: Final = 4
_AT_ONCE: Final = 1 << 20
"""Bytes of a column that are read ahead; otherwise Arrow keeps all that it read of a file."""


def read_tables(
    path: Path,
    rows: int = BLOCK_ROWS,
    *,
    validator: Validator | None = None,
    dialect: CsvDialect | None = None,
    codes: bool = False,
) -> Iterator[Any]:
    """Yield a file's pyarrow Tables of ``rows`` rows each, the last one of fewer.

    Cells of a CSV file are text; what they stand for, the schema says: see ``csv_batches``. What a
    column cannot hold (a word among numbers, a row of too few cells or of bytes that are no UTF-8)
    is beside it, in a column that an ArrowPlan reads; ``kept_columns`` takes it away.

    Args:
        validator: what the rows are to be judged by.
        dialect: how the cells of a CSV file are told apart; None goes by its name.

    Raises:
        ConfigurationError: the file is not there, damaged, or of a kind that holds no table.
        MissingExtra: pyarrow is not installed.
    """
    require_extra("arrow", "pyarrow")
    with _own_errors(path):
        yield from _joined(_batches(path, validator, dialect or CsvDialect(), codes), rows)


def rows_in(path: Path) -> int | None:
    """How many rows a file holds, if it says so itself (Parquet)."""
    if path.suffix.lower() != ".parquet":
        return None
    require_extra("arrow", "pyarrow")
    from pyarrow import parquet

    with _own_errors(path):
        return int(parquet.read_metadata(path).num_rows)


@contextmanager
def _own_errors(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read: {_reason(path, error)}") from None


def _reason(path: Path, error: Exception) -> str:
    """Of a CSV file Arrow quotes the cell, or the row, that it stumbled over."""
    if isinstance(error, OSError) and error.errno:
        return reason_of(OSError(error.errno, os.strerror(error.errno)))
    text = str(error)
    if path.suffix.lower() not in CSV_SUFFIXES:
        return text
    if "straddling" in text:
        return "a row is longer than 8 MB, or a quotation mark is never closed"
    return text.partition("'")[0]


def _batches(
    path: Path, validator: Validator | None, dialect: CsvDialect, codes: bool
) -> Iterator[Any]:
    match path.suffix.lower():
        case ".parquet":
            yield from _parquet_batches(path, codes)
        case ".arrow" | ".feather":
            yield from _arrow_batches(path)
        case suffix if suffix in CSV_SUFFIXES:
            from llm_integrations.core.tables.csv.file import csv_batches

            yield from csv_batches(path, validator, dialect)
        case _:
            raise ConfigurationError(f"{path}: tables are read from {', '.join(TABLE_SUFFIXES)}")


def _parquet_batches(path: Path, codes: bool) -> Iterator[Any]:
    from pyarrow import parquet

    options = {"pre_buffer": False, "buffer_size": _AT_ONCE}
    coded = _coded(parquet.read_metadata(path)) if codes else []
    with parquet.ParquetFile(path, read_dictionary=coded, **options) as file:
        yield from file.iter_batches(_BATCH)


def _coded(metadata: Any) -> list[str]:
    """The columns of text that are codes of words throughout, as far as their sizes tell."""
    import pyarrow as pa

    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    texts = {field.name for field in metadata.schema.to_arrow_schema() if field.type == pa.string()}
    found = []
    for index in range(metadata.num_columns if groups else 0):
        chunks = [group.column(index) for group in groups]
        size = sum(chunk.total_uncompressed_size for chunk in chunks)
        # A text that stands there itself takes 4 bytes and its own.
        is_coded = size < _LENGTH * sum(chunk.num_values for chunk in chunks)
        if chunks[0].path_in_schema in texts and is_coded:
            found.append(chunks[0].path_in_schema)
    return found


def _arrow_batches(path: Path) -> Iterator[Any]:
    """Of a file of either form: Feather's, or the stream that `datasets` writes."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            yield from pa.ipc.open_stream(source)
            return
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _joined(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Tables of so many rows, whatever the sizes of the batches."""
    import pyarrow as pa

    held: list[Any] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        while count >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            rest = table.slice(rows)
            held, count = rest.to_batches(), rest.num_rows
    if count:
        yield pa.Table.from_batches(held)
