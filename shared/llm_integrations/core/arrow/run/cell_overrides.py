"""Rows of a table that say what its columns cannot hold, as a word in a column of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy.typing as npt

from llm_integrations.core.arrow.kernels.python_values import python_values_at
from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types

__all__ = [
    "BrokenRow",
    "CellOverrides",
    "judged_columns",
    "kept_columns",
    "overrides_of",
    "put_in",
    "values_at",
    "with_overrides",
    "without_corrupt",
]

_UNREAD: Final = "the reader could not read all of this row"
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """What stands where a row should be.

    Attributes:
        text: all of it.
        reason: why it is no row; without data.
        keyword: what stands for a keyword in its violation.
    """

    text: str
    reason: str
    keyword: str = "csv"


CellOverrides = dict[str, Any] | BrokenRow
"""For some columns of a row what stands there instead of what they hold; or no row at all."""


class _Hidden(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """A column of text that travels with the rows of a table and is none of its columns.

    Never registered, so that no file can bring one along: whoever wrote the file would say there
    what its rows are to be judged as.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(pa.string(), f"llm_integrations.{what}")

    def __arrow_ext_serialize__(self) -> bytes:
        return self.what.encode()

    def __hash__(self) -> int:
        return hash((_Hidden, self.what))

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: Any, serialized: bytes) -> _Hidden:
        return cls(serialized.decode())


# Arrow holds types made in Python by a weak reference only.
_OVERRIDES: Final = _Hidden("overrides")
_KEPT: Final = _Hidden("kept")


def with_overrides(
    batch: Any, overrides: Mapping[int, CellOverrides], kept: Mapping[str, Any] = _NONE
) -> Any:
    """The record batch with what it cannot say.

    Args:
        overrides: by the number of the row in the batch.
        kept: for some columns a StringArray that is handed on in their place.
    """
    texts: list[str | None] = [None] * batch.num_rows
    for row, override in overrides.items():
        texts[row] = _written(override)
    for name, array in kept.items():
        batch = batch.append_column(
            f"{_KEPT.extension_name}.{name}", pa.ExtensionArray.from_storage(_KEPT, array)
        )
    column = pa.ExtensionArray.from_storage(_OVERRIDES, pa.array(texts, pa.string()))
    return batch.append_column(_OVERRIDES.extension_name, column)


def without_corrupt(batch: Any, column: str | None) -> Any:
    """The record batch without a column in which a reader keeps what it could not read.

    What stands there stands for the whole row: Spark puts nulls in place of the rest.
    """
    if column not in batch.schema.names or batch.num_columns < 2:
        return batch
    texts = batch.column(column)
    if not (types.is_string(texts.type) or types.is_large_string(texts.type)):
        return batch
    rest = batch.drop_columns([column])
    if texts.null_count == len(texts):
        return rest
    rows = pc.indices_nonzero(texts.is_valid()).to_pylist()
    found = zip(rows, texts.drop_null().to_pylist(), strict=True)
    return with_overrides(rest, {row: BrokenRow(text, _UNREAD, "corrupt") for row, text in found})


def overrides_of(data: Any) -> dict[int, CellOverrides]:
    """The overrides of a record batch or table, by the number of the row."""
    for index in _hidden(data, _OVERRIDES):
        column = data.column(index)
        if column.null_count < data.num_rows:
            texts = enumerate(column.cast(pa.string()).to_pylist())
            return {row: _read(text) for row, text in texts if text is not None}
    return {}


def judged_columns(data: Any) -> Any:
    """The record batch or table as it is judged: without what travels with it."""
    hidden = _hidden(data, _OVERRIDES, _KEPT)
    if not hidden:
        return data
    return data.select([index for index in range(data.num_columns) if index not in hidden])


def kept_columns(data: Any) -> Any:
    """The record batch or table as it is handed on."""
    plain = judged_columns(data)
    for index in _hidden(data, _KEPT):
        name = data.schema.field(index).name.removeprefix(f"{_KEPT.extension_name}.")
        place = plain.schema.get_field_index(name)
        plain = plain.set_column(place, name, data.column(index).cast(pa.string()))
    return plain


def values_at(
    batch: Any, rows: npt.NDArray[Any], overrides: Mapping[int, CellOverrides]
) -> list[Any]:
    """Some rows of a batch as they are judged; a BrokenRow for what is none."""
    values = python_values_at(batch.to_struct_array(), rows)
    if not overrides:
        return values
    found = (overrides.get(int(row)) for row in rows)
    return [put_in(value, override) for value, override in zip(values, found, strict=True)]


def put_in(row: Any, override: CellOverrides | None) -> Any:
    """A row as it is judged; a BrokenRow for what is none."""
    if override is None or isinstance(override, BrokenRow):
        return override or row
    return {**row, **override}


def _hidden(data: Any, *kinds: _Hidden) -> list[int]:
    """Where such columns are."""
    return [index for index, kind in enumerate(data.schema.types) if kind in kinds]


def _written(override: CellOverrides) -> str:
    return json.dumps(astuple(override) if isinstance(override, BrokenRow) else override)


def _read(text: str) -> CellOverrides:
    found = json.loads(text)
    return BrokenRow(*found) if isinstance(found, list) else found
