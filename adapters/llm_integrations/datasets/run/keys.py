"""Rows with a key that an earlier row has, found by Arrow over a whole data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets import Dataset
from llm_integrations.core.arrow.pyarrow_modules import pc, types
from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.pointer import from_pointer

__all__ = ["BATCH", "Rows", "repeated", "tables_of"]

BATCH: Final = 65_536
Rows: TypeAlias = npt.NDArray[np.int64]
"""Positions of rows."""


def tables_of(rows: Dataset) -> Iterator[pa.Table]:
    """The rows as tables of BATCH rows, the last one of fewer."""
    plain = rows.with_format("arrow")
    for start in range(0, len(rows), BATCH):
        yield plain[start : start + BATCH]


def repeated(parts: Sequence[tuple[Dataset, Rows]], key: tuple[str, ...]) -> Rows:
    """Which rows have a key that an earlier one has, counted through all parts. Null is no key.

    Args:
        parts: Datasets, and which of their rows count.
        key: the columns, or pointers to members of structs, that make one key together.

    Raises:
        ConfigurationError: there is no such column.
    """
    codes = reduce(_pair_codes, (_codes(parts, column) for column in key))
    # A new value's code is above all codes before it; any other code is a repetition.
    highest = np.maximum.accumulate(codes)
    before = np.concatenate([[-1], highest[:-1]])
    return np.flatnonzero((codes >= 0) & (codes <= before))


def _codes(parts: Sequence[tuple[Dataset, Rows]], column: str) -> Rows:
    """A number for each distinct value, in the order of their first rows; -1 for null."""
    found = [_values(dataset, column).take(pa.array(rows)) for dataset, rows in parts]
    table = pa.concat_tables(
        [pa.table({"key": values}) for values in found], promote_options="permissive"
    )
    return _codes_of(table["key"].combine_chunks())


def _codes_of(array: Any) -> Rows:
    indices = array.dictionary_encode().indices.fill_null(-1)
    return np.asarray(indices).astype(np.int64)


def _pair_codes(one: Rows, other: Rows) -> Rows:
    """One code for each distinct pair of two columns' codes; -1 where either is."""
    both = one * (int(other.max(initial=0)) + 1) + other
    return _codes_of(pa.array(both, mask=(one < 0) | (other < 0)))


def _values(rows: Dataset, place: str) -> pa.ChunkedArray:
    """The values of a column, or of a member of its structs, as a type that Arrow can compare."""
    column, *members = (place,) if place in rows.column_names else _names_in(place)
    if column not in rows.column_names:
        known = ", ".join(rows.column_names)
        raise ConfigurationError(f"unique: there is no column {place!r}; there are {known}")
    chunks = [table.column(column) for table in tables_of(rows.select_columns(column))]
    values = pa.chunked_array([chunk for part in chunks for chunk in part.chunks])
    for member in members:
        if not types.is_struct(values.type) or values.type.get_field_index(member) < 0:
            raise ConfigurationError(f"unique: there is no {place!r} in the column {column!r}")
        values = pc.struct_field(values, member)
    return _comparable(values)


def _comparable(values: Any) -> Any:
    kind = values.type
    if types.is_floating(kind):
        return pc.add(values, 0)  # -0.0 becomes 0.0, which it equals
    if types.is_string_view(kind) or types.is_string(kind):
        return values.cast(pa.large_string())
    if types.is_dictionary(kind):
        return _comparable(values.cast(kind.value_type))
    if types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        return pa.chunked_array([pa.array(_as_json(values), pa.large_string())])
    return values


def _as_json(values: Any) -> Iterator[str | None]:
    """Lists, objects and JSON as texts that are equal where the values are."""
    for row in judged_rows(pa.table({"key": values})):
        value = row["key"]
        yield None if value is None else json.dumps(value, sort_keys=True, default=str)


def _names_in(place: str) -> tuple[str, ...]:
    return from_pointer(place) if place.startswith("/") else (place,)
