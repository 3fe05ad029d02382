"""Rows of a table as Python values, as they are judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_integrations.core.arrow.kernels.python_values import python_values
from llm_integrations.core.arrow.run.batches import as_table
from llm_integrations.core.arrow.run.cell_overrides import (
    BrokenRow,
    judged_columns,
    overrides_of,
    put_in,
)
from llm_integrations.core.arrow.run.readable import json_places, readable, with_texts

__all__ = ["judged_rows"]


def judged_rows(table: Any, json_columns: Iterable[str] = ()) -> list[Any]:
    """What a quarantine keeps of a table's rows: of what is no row, its text.

    Args:
        json_columns: columns of JSON text that stand for what the text says; what is no JSON stays
            text.
    """
    read = tuple(json_columns)
    batches = as_table(judged_columns(table)).to_batches()
    rows = [row for batch in batches for row in _rows(readable(batch, read))]
    for number, override in overrides_of(table).items():
        found = put_in(rows[number], override)
        rows[number] = found.text if isinstance(found, BrokenRow) else found
    return rows


def _rows(batch: Any) -> list[Any]:
    try:
        rows: list[Any] = batch.to_pylist(maps_as_pydicts="strict")
    except Exception:  # noqa: BLE001 - see python_values
        columns = [python_values(column) for column in batch.columns]
        names = batch.schema.names
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for steps in json_places(batch.schema):
        rows = [with_texts(row, steps) for row in rows]
    return rows
