"""``unique``: keys that no two rows may have, in one process and over many.

A key of a row is a column or several, or places within them. Null is no key. Of rows with the same
key the first stays; the others are condemned, and no schema releases them from a quarantine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types
from llm_integrations.core.arrow.run.judged_rows import judged_rows
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.jsonschema.pointer import from_pointer, to_pointer
from llm_integrations.core.validation.report import BEYOND_SCHEMA, Violation

__all__ = [
    "Key",
    "Places",
    "Rows",
    "Unique",
    "column_of",
    "digests",
    "key_texts",
    "key_values",
    "keys_of",
    "member_texts",
    "repeated_codes",
    "repeated_key",
    "value_codes",
]

Key: TypeAlias = str | tuple[str, ...]
"""A column, or a place within one as ``/meta/id``; several make one key together."""
Unique: TypeAlias = Key | Sequence[Key]
Places: TypeAlias = tuple[str, ...]
"""What makes a key together."""
Rows: TypeAlias = npt.NDArray[np.int64]
"""Positions of rows."""

_DIGEST: Final = 16


def keys_of(unique: Unique | None) -> tuple[Places, ...]:
    """The keys that ``unique=`` names. ConfigurationError for what names none."""
    if unique is None:
        return ()
    several = isinstance(unique, Iterable) and not isinstance(unique, str)
    return tuple(map(_places, unique if several else [unique]))


def _places(key: Any) -> Places:
    places = tuple(key) if isinstance(key, Sequence) and not isinstance(key, str) else (key,)
    if not places or not all(isinstance(place, str) and place for place in places):
        raise ConfigurationError(f"unique takes names of columns, and tuples of them, not {key!r}")
    return places


def repeated_key(key: Places) -> Violation:
    """What is wrong with a row whose key an earlier row has."""
    place, *others = key
    if others:
        words = f"unique {', '.join(key)}"
        return Violation("", "another row has this key", words, BEYOND_SCHEMA)
    pointer = place if place.startswith("/") else to_pointer([place])
    return Violation(pointer, "another row has this value", "unique", BEYOND_SCHEMA)


def column_of(place: str, names: Sequence[str]) -> str:
    """The column that a place is in. ConfigurationError if there is none."""
    column = place if place in names else _names_in(place)[0]
    if column in names:
        return column
    raise ConfigurationError(f"unique: there is no column {place!r}; there are {', '.join(names)}")


def key_values(table: Any, place: str, json_columns: Sequence[str] = ()) -> Any:
    """A column of a Table, or a member of its structs, as a type whose values Arrow can compare.

    Args:
        json_columns: columns of JSON text that stand for what the text says.

    Raises:
        ConfigurationError: there is no such column.
    """
    column = column_of(place, table.schema.names)
    members = () if place == column else _names_in(place)[1:]
    values = table.column(column)
    if column in json_columns:
        found = (row[column] for row in judged_rows(table.select([column]), [column]))
        return pa.chunked_array([pa.array(_at(found, members), pa.large_string())])
    for member in members:
        if not types.is_struct(values.type) or values.type.get_field_index(member) < 0:
            raise ConfigurationError(f"unique: there is no {place!r} in the column {column!r}")
        values = pc.struct_field(values, member)
    return _comparable(values)


def member_texts(rows: Sequence[Any], key: Places) -> list[list[str | None]]:
    """For each place of a key the values there as texts, of rows that are objects."""
    found = []
    for place in key:
        column, *members = _names_in(place)
        found.append(list(_at((row.get(place, row.get(column)) for row in rows), members)))
    return found


def key_texts(table: Any, key: Places, json_columns: Sequence[str] = ()) -> list[list[str | None]]:
    """The same for the rows of a Table."""
    return [_texts(key_values(table, place, json_columns)) for place in key]


def digests(texts: Sequence[Sequence[str | None]]) -> Iterator[bytes | None]:
    """A digest for each row's key, which tells keys apart wherever they are; None for no key."""
    if len(texts) == 1:
        for text in texts[0]:
            yield None if text is None else _digest(text)
        return
    for parts in zip(*texts, strict=True):
        yield None if None in parts else _digest(json.dumps(parts))


def _digest(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def value_codes(array: Any) -> Rows:
    """A number for each distinct value, in the order of their first rows; -1 for null."""
    indices = array.dictionary_encode().indices.fill_null(-1)
    return np.asarray(indices).astype(np.int64)


def repeated_codes(codes: Rows) -> Rows:
    """Which rows have a code that an earlier one has."""
    # A new value's code is above all codes before it; any other code is a repetition.
    highest = np.maximum.accumulate(codes)
    before = np.concatenate([[-1], highest[:-1]])
    return np.flatnonzero((codes >= 0) & (codes <= before))


def _comparable(values: Any) -> Any:
    kind = values.type
    if types.is_floating(kind):
        return pc.add(values, 0)  # -0.0 becomes 0.0, which it equals
    if types.is_string_view(kind) or types.is_string(kind):
        return values.cast(pa.large_string())
    if types.is_dictionary(kind):
        return _comparable(values.cast(kind.value_type))
    if types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        rows = judged_rows(pa.table({"key": values}))
        return pa.chunked_array(
            [pa.array(_at((row["key"] for row in rows), ()), pa.large_string())]
        )
    return values


def _texts(values: Any) -> list[str | None]:
    if types.is_binary(values.type) or types.is_large_binary(values.type):
        found = values.to_pylist()
        return [None if value is None else value.hex() for value in found]
    texts: list[str | None] = values.cast(pa.large_string()).to_pylist()
    return texts


def _at(values: Iterator[Any], members: Sequence[str]) -> Iterator[str | None]:
    """What is at a place of each value, as texts that are equal where the values are."""
    for value in values:
        for member in members:
            value = value.get(member) if isinstance(value, dict) else None
        yield None if value is None else _text(value)


def _text(value: Any) -> str:
    return json.dumps(_whole(value), sort_keys=True, default=str)


def _whole(value: Any) -> Any:
    """The value with integers for whole floats: 1.0 equals 1, as in JSON Schema."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(member) for name, member in value.items()}
        case list():
            return [_whole(item) for item in value]
    return value


def _names_in(place: str) -> tuple[str, ...]:
    return from_pointer(place) if place.startswith("/") else (place,)
