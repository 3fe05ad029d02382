"""Columns of a table of `datasets`: which types it has, and ``Json()``, stored as JSON text."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from datasets import Features
from llm_integrations.core.arrow.compile.table import check_names
from llm_integrations.core.errors import ConfigurationError

__all__ = ["check_types", "json_columns", "plain"]

_JSON: Final = "arrow.json"


def check_types(schema: pa.Schema, name: str) -> None:
    """Raise ConfigurationError if `datasets` cannot hold a column of the table of this name, or two
    columns have one name."""
    check_names(schema)
    for field in schema:
        try:
            Features.from_arrow_schema(pa.schema([field]))
        except (ValueError, TypeError, NotImplementedError, pa.ArrowException):
            raise ConfigurationError(
                f"{name}: `datasets` has no columns like {field.name!r}, which is {field.type}: "
                "make another type of it (of a map, a list of structs)"
            ) from None


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
