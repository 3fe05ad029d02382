"""How a part of a quarantine is written and read: JSON lines or Parquet, the same columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

from llm_integrations.core.errors import ConfigurationError, LLMIntegrationsError
from llm_integrations.core.extras import require_extra
from llm_integrations.core.quarantine.record import QuarantinedRecord

__all__ = ["Format", "check_format", "read_part", "write_part"]

Format = Literal["jsonl", "parquet"]


def check_format(name: str) -> Format:
    match name:
        case "jsonl" | "parquet":
            return name
    raise ConfigurationError(f"a quarantine is kept as 'jsonl' or 'parquet', not {name!r}")


def write_part(stream: IO[bytes], rows: Iterable[dict[str, Any]], form: Format) -> None:
    """Write rows as ``QuarantinedRecord.to_row`` makes them."""
    if form == "jsonl":
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")
    else:
        _write_parquet(stream, list(rows))


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


def _write_parquet(stream: IO[bytes], rows: list[dict[str, Any]]) -> None:
    require_extra("arrow", "pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    names = QuarantinedRecord("", (), "").to_row()
    # Data may hold lone surrogates, which are no UTF-8: JSON text can carry them escaped.
    columns = {name: _utf8([row[name] for row in rows]) for name in names}
    schema = pa.schema([(name, pa.string()) for name in names])
    parquet.write_table(pa.table(columns, schema=schema), stream, compression="zstd")


def _utf8(texts: list[str | None]) -> list[str | None]:
    if all(text is None or text.isascii() for text in texts):
        return texts
    return [text and text.encode("utf-8", "backslashreplace").decode("utf-8") for text in texts]


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    require_extra("arrow", "pyarrow")
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(4096):
            yield from batch.to_pylist()
