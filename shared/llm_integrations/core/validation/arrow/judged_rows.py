"""Rows of a table as Python values, as they are judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_integrations.core.validation.arrow.jsontext import parsed
from llm_integrations.core.validation.arrow.python import UNREADABLE, python_values
from llm_integrations.core.validation.arrow.strays import (
    BrokenRow,
    judged_columns,
    put_in,
    strays_of,
)

__all__ = ["judged_rows"]


def judged_rows(table: Any, json_columns: Iterable[str] = ()) -> list[Any]:
    """What a quarantine keeps of a table's rows: of what is no row, its text.

    Args:
        json_columns: columns of JSON text that stand for what the text says; what is no JSON stays
            text.
    """
    plain = judged_columns(table)
    read = frozenset(json_columns)
    columns = [
        _parsed(column) if name in read else python_values(column)
        for name, column in zip(plain.schema.names, plain.columns, strict=True)
    ]
    rows: list[Any] = [
        dict(zip(plain.schema.names, row, strict=True)) for row in zip(*columns, strict=True)
    ]
    for number, stray in strays_of(table).items():
        found = put_in(rows[number], stray)
        rows[number] = found.text if isinstance(found, BrokenRow) else found
    return rows


def _parsed(column: Any) -> list[Any]:
    texts = column.to_pylist()
    values = [parsed(text) if isinstance(text, str) else text for text in texts]
    return [
        text if value is UNREADABLE else value for text, value in zip(texts, values, strict=True)
    ]
