"""Rows of a table as Python values, as they are judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_integrations.core.arrow.kernels.jsontext import parsed
from llm_integrations.core.arrow.kernels.python_values import UNREADABLE, python_values
from llm_integrations.core.arrow.run.cell_overrides import (
    BrokenRow,
    judged_columns,
    overrides_of,
    put_in,
)

__all__ = ["judged_rows"]


def judged_rows(table: Any, json_columns: Iterable[str] = ()) -> list[Any]:
    """What a quarantine keeps of a table's rows: of what is no row, its text.

    Args:
        json_columns: columns of JSON text that stand for what the text says; what is no JSON stays
            text.
    """
    rows = _rows(judged_columns(table))
    for name in json_columns:
        for row in rows:
            if isinstance(row.get(name), str):
                row[name] = _parsed(row[name])
    for number, override in overrides_of(table).items():
        found = put_in(rows[number], override)
        rows[number] = found.text if isinstance(found, BrokenRow) else found
    return rows


def _rows(table: Any) -> list[Any]:
    try:
        rows: list[Any] = table.to_pylist()
    except Exception:  # noqa: BLE001 - see python_values
        columns = [python_values(column) for column in table.columns]
        names = table.schema.names
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows


def _parsed(text: str) -> Any:
    value = parsed(text)
    return text if value is UNREADABLE else value
