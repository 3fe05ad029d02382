"""Rows of JSON lines as columns, for looking at their values: what fits no column is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa, types
from llm_integrations.core.tables.line_tables import as_lines, read_block
from llm_integrations.core.tables.line_types import Types, holds_json, type_of

__all__ = ["LineColumns"]

_UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)
_HELD = {pa.int64(): (int,), pa.float64(): (int, float), pa.string(): (str,), pa.bool_(): (bool,)}
_MOST_FIELDS: Final = 256
"""Names that the objects at one place have between them; where there are more, they are data."""


class LineColumns:
    """Makes tables of the blocks of one file. A column is of one type in all of them, but that
    integers become floats once a fraction was seen."""

    def __init__(self) -> None:
        self._kinds: Types = {}

    def table(self, rows: Sequence[dict[str, Any]]) -> Any:
        """The rows as a Table; null for a value that is not of its column's type."""
        if not any(rows):
            return pa.table({})
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        kinds = {name: self._kind(name, values) for name, values in columns.items()}
        self._kinds |= {name: kind for name, kind in kinds.items() if not types.is_null(kind)}
        held = {name: kind for name, kind in kinds.items() if not types.is_null(kind)}
        try:
            table = read_block(as_lines(rows), held, others="ignore")
        except pa.ArrowInvalid:
            table = pa.table({name: _column(columns[name], kind) for name, kind in held.items()})
        for name in names:
            if name not in held:
                table = table.append_column(name, pa.nulls(len(rows)))
        return table.select(list(names))

    def _kind(self, name: str, values: list[Any]) -> Any:
        known = self._kinds.get(name)
        found = type_of([value for value in values if value is not None], _union)
        if known is not None:
            return found if (known, found) == (pa.int64(), pa.float64()) else known
        return _most_frequent(values) if holds_json(found) else found


def _union(objects: Sequence[dict[str, Any]], levels: int) -> Any:
    """A struct with a field for each name, but for those whose values are of no one type."""
    names = dict.fromkeys(name for item in objects for name in item)
    if len(names) > _MOST_FIELDS:
        return pa.null()
    members = {n: [item[n] for item in objects if item.get(n) is not None] for n in names}
    kinds = {name: type_of(some, _union, levels) for name, some in members.items()}
    held = [(n, kind) for n, kind in kinds.items() if _is_column(kind)]
    return pa.struct(held) if held else pa.null()


def _most_frequent(values: list[Any]) -> Any:
    """The Arrow type of most values, integers and fractions together; null if Arrow has none."""
    alike: dict[type, list[Any]] = {}
    for value in values:
        if value is not None:
            kind = float if type(value) is int else type(value)
            alike.setdefault(kind, []).append(value)
    for some in sorted(alike.values(), key=len, reverse=True):
        kind = type_of(some, _union)
        if holds_json(kind) and types.is_list(kind):
            kind = pa.list_(_most_frequent([item for items in some for item in items]))
        if _is_column(kind) and kind != pa.list_(pa.null()):
            return kind
    return pa.null()


def _is_column(kind: Any) -> bool:
    """Whether its values are of one type at each place; those of words and numbers are not."""
    return not holds_json(kind) and not types.is_null(kind)


def _column(values: list[Any], kind: Any) -> Any:
    return pa.array([_fit(value, kind) for value in values], kind)


def _fit(value: Any, kind: Any) -> Any:
    """The value, or None if the type does not hold it."""
    if kind in _HELD and type(value) not in _HELD[kind]:
        return None
    try:
        pa.scalar(value, kind)
    except _UNFIT:
        return None
    return value
