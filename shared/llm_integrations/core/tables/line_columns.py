"""Rows of JSON lines as columns, for looking at their values: what fits no column is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from llm_integrations.core.validation.arrow.kernels import pa, types

__all__ = ["LineColumns"]

_UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)


class LineColumns:
    """Makes tables of the blocks of one file; a column is of one type in all of them."""

    def __init__(self) -> None:
        self._kinds: dict[str, Any] = {}

    def table(self, rows: Sequence[dict[str, Any]]) -> Any:
        """The rows as a Table; null for a value that is not of its column's type."""
        found = self._parsed(rows)
        table = self._fitted(rows) if found is None else found
        for field in table.schema:
            if not types.is_null(field.type):
                self._kinds[field.name] = field.type
        return table

    def _parsed(self, rows: Sequence[dict[str, Any]]) -> Any | None:
        """All at once; None if a value is not of its column's type."""
        from pyarrow import json as arrow_json

        text = b"\n".join(json.dumps(row).encode() for row in rows)
        parsing = arrow_json.ParseOptions(explicit_schema=pa.schema(list(self._kinds.items())))
        # In one piece, by one thread: with several pieces pyarrow can crash.
        reading = arrow_json.ReadOptions(block_size=len(text) + 1, use_threads=False)
        try:
            return arrow_json.read_json(BytesIO(text), reading, parsing)
        except _UNFIT:
            return None

    def _fitted(self, rows: Sequence[dict[str, Any]]) -> Any:
        """Column by column, and where need be value by value."""
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: self._column(name, [r.get(name) for r in rows]) for name in names})

    def _column(self, name: str, values: list[Any]) -> Any:
        kind = self._kinds.get(name)
        if kind is None:
            kind = _most_frequent(values)
        try:
            return pa.array(values, kind)
        except _UNFIT:
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
    try:
        return pa.scalar(value, kind).as_py()
    except _UNFIT:
        pass
    try:
        return pa.scalar(value).cast(kind).as_py()
    except _UNFIT:
        return None
