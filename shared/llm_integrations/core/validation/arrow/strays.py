"""Rows of a table that say what its columns cannot hold, as a word in a column of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from llm_integrations.core.validation.arrow.kernels import pa
from llm_integrations.core.validation.arrow.python import python_values_at

__all__ = [
    "BrokenRow",
    "Stray",
    "put_in",
    "strays_of",
    "values_at",
    "with_strays",
    "without_strays",
]

_NAME: Final = "llm_integrations.strays"


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """What stands where a row should be.

    Attributes:
        text: all of it.
        reason: why it is no row; without data.
    """

    text: str
    reason: str


Stray = dict[str, Any] | BrokenRow
"""For some columns of a row what stands there instead of what they hold; or no row at all."""


class _StrayType(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """Never registered, so that no file can bring such a column along: whoever wrote the file
    would say there what its rows are to be judged as."""

    def __init__(self) -> None:
        super().__init__(pa.string(), _NAME)

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    def __hash__(self) -> int:
        return hash(_StrayType)

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: Any, _serialized: bytes) -> _StrayType:
        return cls()


# Arrow holds types made in Python by a weak reference only.
_TYPE: Final = _StrayType()


def with_strays(batch: Any, strays: Mapping[int, Stray]) -> Any:
    """The record batch with one column more, which travels with its rows.

    Args:
        strays: by the number of the row in the batch.
    """
    texts: list[str | None] = [None] * batch.num_rows
    for row, stray in strays.items():
        texts[row] = _written(stray)
    column = pa.ExtensionArray.from_storage(_TYPE, pa.array(texts, pa.string()))
    return batch.append_column(_NAME, column)


def strays_of(data: Any) -> dict[int, Stray]:
    """The strays of a record batch or table, by the number of the row."""
    index = _index(data)
    if index is None or data.column(index).null_count == data.num_rows:
        return {}
    texts = data.column(index).cast(pa.string()).to_pylist()
    return {row: _read(text) for row, text in enumerate(texts) if text is not None}


def without_strays(data: Any) -> Any:
    """The record batch or table without that column."""
    index = _index(data)
    return data if index is None else data.remove_column(index)


def values_at(batch: Any, rows: npt.NDArray[Any], strays: Mapping[int, Stray]) -> list[Any]:
    """Some rows of a batch as they are judged; a BrokenRow for what is none."""
    values = python_values_at(batch.to_struct_array(), rows)
    if not strays:
        return values
    found = (strays.get(int(row)) for row in rows)
    return [put_in(value, stray) for value, stray in zip(values, found, strict=True)]


def put_in(row: Any, stray: Stray | None) -> Any:
    """A row as it is judged; a BrokenRow for what is none."""
    if stray is None or isinstance(stray, BrokenRow):
        return stray or row
    return {**row, **stray}


def _index(data: Any) -> int | None:
    """Where the column is: always the last."""
    last = data.num_columns - 1
    return last if last >= 0 and isinstance(data.schema.field(last).type, _StrayType) else None


def _written(stray: Stray) -> str:
    return json.dumps([stray.text, stray.reason] if isinstance(stray, BrokenRow) else stray)


def _read(text: str) -> Stray:
    found = json.loads(text)
    return BrokenRow(*found) if isinstance(found, list) else found
