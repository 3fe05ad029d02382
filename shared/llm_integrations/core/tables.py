"""Files of rows as Arrow tables, block by block: Parquet, CSV and JSON lines of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.fingerprint import JsonSchema

__all__ = ["BLOCK_ROWS", "TABLE_SUFFIXES", "read_tables", "rows_in"]

BLOCK_ROWS: Final = 262_144
"""Rows of one block: some 50 MB of an ordinary table."""
TABLE_SUFFIXES: Final = (".parquet", ".csv")
_LINES: Final = (".jsonl", ".ndjson")
_BATCH: Final = 65_536


def read_tables(
    path: Path, rows: int = BLOCK_ROWS, *, schema: JsonSchema | None = None
) -> Iterator[Any]:
    """Yield a file's pyarrow Tables of ``rows`` rows each, the last one of fewer.

    A column of a CSV file is of the type that its first cells have (those in the first megabyte);
    a later cell of another type is an error. A column that the schema calls text is text, whatever
    its cells look like: ``01234`` stays as it is.

    Args:
        schema: a JSON Schema of the rows.

    Raises:
        ConfigurationError: the file is not there, damaged, or of a kind that holds no table.
        MissingExtra: pyarrow is not installed.
    """
    require_extra("arrow", "pyarrow")
    with _own_errors(path):
        yield from _joined(_batches(path, _texts(schema)), rows)


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
        raise ConfigurationError(f"{path} cannot be read: {_without_data(path, error)}") from None


def _without_data(path: Path, error: Exception) -> str:
    """What Arrow says about a CSV file ends with the cell or the line that it stumbled over."""
    if path.suffix.lower() != ".csv" or isinstance(error, OSError):
        return str(error)
    return ": ".join(str(error).split(": ")[:2]).partition("\n")[0]


def _texts(schema: JsonSchema | None) -> list[str]:
    """The properties that can be nothing but text, or null."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return [name for name, value in (properties or {}).items() if _is_text(value)]


def _is_text(schema: JsonSchema) -> bool:
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    if kinds is not None:
        named = kinds if isinstance(kinds, list) else [kinds]
        return "string" in named and set(named) <= {"string", "null"}
    values = schema.get("enum", [schema.get("const")])
    return bool(values) and all(isinstance(value, str) for value in values)


def _batches(path: Path, texts: list[str]) -> Iterator[Any]:
    import pyarrow as pa

    match path.suffix.lower():
        case ".parquet":
            from pyarrow import parquet

            with parquet.ParquetFile(path) as file:
                yield from file.iter_batches(_BATCH)
        case ".csv":
            from pyarrow import csv

            options = csv.ConvertOptions(
                strings_can_be_null=True,
                null_values=[""],
                column_types=dict.fromkeys(texts, pa.string()),
            )
            with csv.open_csv(path, convert_options=options) as reader:
                yield from reader
        case suffix if suffix in _LINES:
            from pyarrow import json

            options = json.ReadOptions(block_size=1 << 24)
            with json.open_json(path, read_options=options) as reader:
                yield from reader
        case _:
            raise ConfigurationError(f"{path}: tables are read from .parquet, .csv and .jsonl")


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
