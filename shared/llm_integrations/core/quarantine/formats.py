"""Writing and reading a part of a quarantine: JSON lines or Parquet, with the same columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, Literal

from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.quarantine.columns import RecordColumns
from llm_integrations.core.quarantine.record import QuarantinedRecord

__all__ = ["Format", "check_format", "read_part", "write_part"]

_FEW: Final = ("schema", "fingerprint", "source", "at", "errors", "whole", "encodings", "nulls")
"""Columns whose texts come again and again, so that it pays to look for equal ones."""

Format = Literal["jsonl", "parquet"]


def check_format(name: str) -> Format:
    match name:
        case "jsonl" | "parquet":
            return name
    raise ConfigurationError(f"a quarantine is kept as 'jsonl' or 'parquet', not {name!r}")


def write_part(
    stream: IO[bytes], rows: Iterable[dict[str, Any]] | RecordColumns, form: Format
) -> None:
    """Write rows as ``QuarantinedRecord.to_row`` makes them."""
    if form == "parquet":
        _write_parquet(stream, rows if isinstance(rows, RecordColumns) else list(rows))
        return
    for row in rows.rows() if isinstance(rows, RecordColumns) else rows:
        stream.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")


def read_part(path: Path) -> Iterator[QuarantinedRecord]:
    """Yield the records of a part. LLMIntegrationsError names a damaged file."""
    rows = _read_parquet(path) if path.suffix == ".parquet" else _read_jsonl(path)
    try:
        for row in rows:
            yield QuarantinedRecord.from_row(row)
    except FileNotFoundError:
        return  # released or forgotten since the folder was listed
    except (LLMIntegrationsError, ValueError, OSError, RecursionError) as error:
        raise LLMIntegrationsError(f"{path} is damaged: {type(error).__name__}") from None


def _read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for line in stream:
            yield json.loads(line)


@cache
def _parquet() -> Any:
    """Parquet's module; once, for looking its version up takes as long as writing a small part."""
    require_extra("arrow", "pyarrow")
    from pyarrow import parquet

    return parquet


def _write_parquet(stream: IO[bytes], rows: list[dict[str, Any]] | RecordColumns) -> None:
    parquet = _parquet()
    import pyarrow as pa

    names = QuarantinedRecord("", (), "").to_row()
    if isinstance(rows, RecordColumns):
        columns = {name: rows.columns[name] for name in names}
    else:
        columns = {name: [row[name] for row in rows] for name in names}
    table = pa.table({name: _texts(column, len(rows)) for name, column in columns.items()})
    parquet.write_table(
        table,
        stream,
        compression="zstd",
        use_dictionary=list(_FEW),  # pyright: ignore[reportArgumentType]  # names will do as well
        write_statistics=False,
        store_schema=False,
    )


def _texts(column: Any, length: int) -> Any:
    """Texts as an Arrow array; one text stands for as many of it."""
    import pyarrow as pa

    if column is None:
        return pa.nulls(length, pa.string())
    if isinstance(column, str):
        # A dictionary array whose indices all point to the one text: no search for equal texts.
        return pa.DictionaryArray.from_arrays(pa.repeat(0, length).cast(pa.int32()), [column])
    if isinstance(column, pa.ChunkedArray):
        return column
    try:
        return pa.array(column, pa.string())
    except UnicodeEncodeError:
        # Data may hold lone surrogates, which are no UTF-8: JSON text can carry them escaped.
        return pa.array(list(map(_utf8, column)), pa.string())


def _utf8(text: str | None) -> str | None:
    return text and text.encode("utf-8", "backslashreplace").decode("utf-8")


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    with _parquet().ParquetFile(path) as file:
        for batch in file.iter_batches(4096):
            yield from batch.to_pylist()
