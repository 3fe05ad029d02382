"""Which columns hold the rows of a JSONL file: the types that all of its lines agree on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa
from llm_integrations.core.tables.json_line import read_line

__all__ = [
    "ANYTHING",
    "as_lines",
    "block_types",
    "column_types",
    "common_type",
    "line_blocks",
    "read_block",
    "readable_type",
    "rows_of",
]

ANYTHING: Final = None
"""Stands for the type of a column whose values no single Arrow type holds."""

Types = dict[str, Any]
_BYTES: Final = 1 << 23
_NUMBERS: Final = {pa.int64(), pa.float64()}


def line_blocks(paths: Iterable[Path]) -> Iterator[bytes]:
    """Whole lines of files, some megabytes at a time."""
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(_BYTES):
                yield block + stream.readline()


def read_block(block: bytes, types: Types) -> Any:
    """Lines as a Table with columns of these types, and any others that they have.

    Raises:
        ArrowInvalid: a value is of another type.
    """
    from pyarrow import json as arrow_json

    parsing = arrow_json.ParseOptions(explicit_schema=pa.schema(list(types.items())))
    # In one piece, by one thread: with several pieces pyarrow can crash.
    reading = arrow_json.ReadOptions(block_size=len(block) + 1, use_threads=False)
    return arrow_json.read_json(BytesIO(block), reading, parsing)


def rows_of(block: bytes) -> list[dict[str, Any]]:
    """The lines as Python reads them: of a name that comes twice it takes the last."""
    return [read_line(line) for line in block.split(b"\n") if line]


def as_lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """What ``rows_of`` reads."""
    return "\n".join(map(json.dumps, rows)).encode()


def column_types(blocks: Iterable[bytes]) -> Types:
    """The type of each column that a line has, in the order in which they come up."""
    found: Types = {}
    for block in blocks:
        for name, kind in block_types(block).items():
            found[name] = common_type(found[name], kind) if name in found else kind
    return {name: readable_type(kind) for name, kind in found.items()}


def block_types(block: bytes) -> Types:
    """The types of the columns of some lines. What Arrow infers is taken for the type alone: the
    arrays that it makes then are broken where a list begins with null."""
    try:
        schema = read_block(block, {}).schema
    except pa.ArrowInvalid:
        return _types_of_values(block)
    return {field.name: _without_times(field.type) for field in schema}


def _types_of_values(block: bytes) -> Types:
    rows = rows_of(block)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _type_of([{name: row.get(name)} for row in rows]) for name in names}


def _type_of(values: list[dict[str, Any]]) -> Any:
    """The type of the only column. Asked of the reader of JSON, not of ``pa.array``, which takes
    false for a number."""
    try:
        [kind] = read_block(as_lines(values), {}).schema.types
    except pa.ArrowInvalid:
        return ANYTHING
    return _without_times(kind)


def _without_times(kind: Any) -> Any:
    """Arrow takes text that looks like a time for one; what JSON says is text."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_times(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_times(field.type)) for field in kind])
    return kind


def readable_type(kind: Any) -> Any:
    """Arrow's reader of JSON makes broken arrays of lists that hold nothing but nulls; there, text
    does as well."""
    if kind is ANYTHING:
        return kind
    if pa.types.is_list(kind):
        items = readable_type(kind.value_type)
        return pa.list_(pa.string() if pa.types.is_null(items) else items)
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, readable_type(field.type)) for field in kind])
    return kind


def common_type(one: Any, other: Any) -> Any:
    """The type that holds the values of both; ANYTHING if there is none."""
    if one is ANYTHING or other is ANYTHING:
        return ANYTHING
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == _NUMBERS:
        return pa.float64()
    if pa.types.is_list(one) and pa.types.is_list(other):
        items = common_type(one.value_type, other.value_type)
        return ANYTHING if items is ANYTHING else pa.list_(items)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _common_struct(one, other)
    return ANYTHING


def _common_struct(one: Any, other: Any) -> Any:
    fields: Types = {field.name: field.type for field in one}
    for field in other:
        known = fields.get(field.name, field.type)
        fields[field.name] = common_type(known, field.type)
    return ANYTHING if ANYTHING in fields.values() else pa.struct(list(fields.items()))
