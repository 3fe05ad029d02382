"""Rows of JSON lines as columns, for looking at their values: what fits no column is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.tables.line_types import (
    ANYTHING,
    as_lines,
    block_types,
    common_type,
    read_block,
    readable_type,
)

__all__ = ["LineColumns"]

_UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)
_HELD = {pa.int64(): (int,), pa.float64(): (int, float), pa.string(): (str,), pa.bool_(): (bool,)}


class LineColumns:
    """Makes tables of the blocks of one file. A column is of one type in all of them, but that
    integers become floats once a fraction was seen."""

    def __init__(self) -> None:
        self._kinds: dict[str, Any] = {}

    def table(self, rows: Sequence[dict[str, Any]]) -> Any:
        """The rows as a Table; null for a value that is not of its column's type."""
        if not any(rows):
            return pa.table({})
        try:
            table = self._parsed(as_lines(rows))
        except pa.ArrowInvalid:
            table = self._fitted(rows)
        for field in table.schema:
            if not types.is_null(field.type):
                self._kinds[field.name] = field.type
        return table

    def _parsed(self, block: bytes) -> Any:
        """All at once. ArrowInvalid if a value is not of its column's type."""
        found = dict(self._kinds)
        for name, kind in block_types(block).items():
            found[name] = common_type(found[name], kind) if name in found else kind
        if ANYTHING in found.values():
            raise pa.ArrowInvalid("some values are not of their column's type")
        return read_block(block, {name: readable_type(kind) for name, kind in found.items()})

    def _fitted(self, rows: Sequence[dict[str, Any]]) -> Any:
        """Column by column, and where need be value by value."""
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: self._column(name, [r.get(name) for r in rows]) for name in names})

    def _column(self, name: str, values: list[Any]) -> Any:
        kind = self._kinds.get(name)
        if kind is None:
            kind = _most_frequent(values)
        if kind == pa.int64() and any(type(value) is float for value in values):
            kind = pa.float64()
        return pa.array([_fit(value, kind) for value in values], kind)


def _most_frequent(values: list[Any]) -> Any:
    """The Arrow type of most values; null if Arrow has none for them."""
    counts = Counter(type(value) for value in values if value is not None)
    for python_type, _ in counts.most_common():
        try:
            return pa.array([value for value in values if type(value) is python_type]).type
        except _UNFIT:
            continue
    return pa.null()


def _fit(value: Any, kind: Any) -> Any:
    """The value, or None if the type does not hold it."""
    if kind in _HELD and type(value) not in _HELD[kind]:
        return None
    try:
        pa.scalar(value, kind)
    except _UNFIT:
        return None
    return value
