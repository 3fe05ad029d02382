"""A JSONL file as a Dataset, whatever its lines hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from datasets import Dataset, Features, Json
from llm_integrations.core.files import atomic_write
from llm_integrations.core.tables.line_types import (
    ANYTHING,
    as_lines,
    column_types,
    line_blocks,
    read_block,
    rows_of,
)

__all__ = ["open_lines"]


def open_lines(paths: Sequence[Path], into: Path) -> Dataset:
    """The rows of files of JSON objects, memory-mapped from ``into``, which is written for it.

    The columns are of the types that all lines agree on: text is text, even if it looks like a
    time; what no one type holds is ``Json()``.
    """
    types = column_types(line_blocks(paths))
    if not types:
        return Dataset.from_dict({})
    features = _features(types)
    with (
        atomic_write(into, mode=0o600) as stream,
        pa.ipc.new_stream(stream, features.arrow_schema) as writer,
    ):
        for table in _tables(paths, types, features):
            writer.write_table(table)
    return Dataset.from_file(str(into))


def _features(types: dict[str, Any]) -> Features:
    plain = [(name, kind) for name, kind in types.items() if kind is not ANYTHING]
    known = Features.from_arrow_schema(pa.schema(plain))
    return Features({name: known.get(name, Json()) for name in types})


def _tables(paths: Sequence[Path], types: dict[str, Any], features: Features) -> Iterator[pa.Table]:
    schema = features.arrow_schema
    mixed = {name for name, kind in types.items() if kind is ANYTHING}
    known = {name: kind for name, kind in types.items() if kind is not ANYTHING}
    for block in line_blocks(paths):
        table, texts = _read(block, known, mixed)
        columns = [
            pa.ExtensionArray.from_storage(field.type, pa.array(texts[field.name], pa.string()))
            if field.name in mixed
            else table.column(field.name)
            for field in schema
        ]
        yield pa.table(columns, schema=schema)


def _read(
    block: bytes, known: dict[str, Any], mixed: set[str]
) -> tuple[pa.Table, dict[str, list[str | None]]]:
    """The columns of one type, and the JSON texts of the others."""
    texts: dict[str, list[str | None]] = {name: [] for name in mixed}
    if not mixed:
        with suppress(pa.ArrowInvalid):
            return read_block(block, known), texts
    rows = rows_of(block)
    for row in rows:
        for name in mixed:
            value = row.pop(name, None)
            texts[name].append(None if value is None else json.dumps(value))
    return read_block(as_lines(rows), known), texts
