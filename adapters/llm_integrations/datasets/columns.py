"""Columns of the feature ``Json()``, which a table of `datasets` stores as JSON text."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

__all__ = ["json_columns", "plain"]

_JSON: Final = "arrow.json"


def json_columns(schema: pa.Schema) -> tuple[str, ...]:
    """The names of the columns of the feature ``Json()``."""
    return tuple(field.name for field in schema if _is_json(field.type))


def plain(table: pa.Table) -> pa.Table:
    """The table with ``Json()`` columns as the text that they are stored as."""
    for index, field in enumerate(table.schema):
        if _is_json(field.type):
            stored = _storage(table.column(index))
            table = table.set_column(index, field.name, stored)
    return table


def _is_json(kind: pa.DataType) -> bool:
    return getattr(kind, "extension_name", None) == _JSON


def _storage(column: Any) -> pa.ChunkedArray:
    chunks = [chunk.storage for chunk in column.chunks]
    return pa.chunked_array(chunks, type=column.type.storage_type)
