"""Which columns hold the rows of a JSONL file: types that give back each row as its line has it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa

__all__ = [
    "JSON",
    "Types",
    "common_type",
    "common_types",
    "holds_json",
    "line_blocks",
    "readable_type",
    "type_of",
    "types_of_rows",
]

JSON: Final = pa.json_()
"""JSON text: the type of what no other type holds, and of objects whose keys differ. A struct would
put a null where an object lacks a key, and would have a field for every key of a map."""

Types = dict[str, Any]
_BYTES: Final = 1 << 23
_LEVELS: Final = 32
"""Arrow writes no file of types that are nested deeper than 64 levels."""
_LARGEST: Final = int(sys.float_info.max)
_NUMBERS: Final = {pa.int64(), pa.float64()}
_SCALARS: Final = {bool: pa.bool_(), str: pa.string(), float: pa.float64()}


def line_blocks(paths: Iterable[Path]) -> Iterator[bytes]:
    """Whole lines of files, some megabytes at a time."""
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(_BYTES):
                yield block + stream.readline()


def types_of_rows(rows: Sequence[dict[str, Any]], known: Types) -> Types:
    """The type of each column that a row has, in the order in which they come up.

    Args:
        known: types that the columns have at the least.
    """
    names = dict.fromkeys(known)
    for row in rows:
        names.update(dict.fromkeys(row))
    found = {}
    for name in names:
        kind = known.get(name, pa.null())
        values = [row[name] for row in rows if row.get(name) is not None] if kind != JSON else []
        found[name] = common_type(kind, type_of(values))
    return found


def _struct_of(objects: Sequence[dict[str, Any]], levels: int) -> Any:
    keys = objects[0].keys()
    if not keys or any(o.keys() != keys for o in objects):
        return JSON
    members = {key: [o[key] for o in objects if o[key] is not None] for key in keys}
    return pa.struct([(key, type_of(some, levels=levels)) for key, some in members.items()])


def type_of(
    values: Sequence[Any],
    objects: Callable[[Sequence[dict[str, Any]], int], Any] = _struct_of,
    levels: int = _LEVELS,
) -> Any:
    """The type of values that ``json.loads`` gives, without null.

    Args:
        objects: the type of objects, and of so many levels below.
        levels: how deep a type goes; what is nested deeper is JSON.
    """
    kinds = set(map(type, values))
    if not kinds:
        return pa.null()
    if not levels and kinds & {dict, list}:
        return JSON
    if kinds == {dict}:
        return objects(values, levels - 1)
    if kinds == {list}:
        items = [item for items in values for item in items if item is not None]
        return pa.list_(type_of(items, objects, levels - 1))
    return reduce(common_type, [_scalar_of(kind, values) for kind in kinds])


def _scalar_of(kind: type, values: Sequence[Any]) -> Any:
    if kind is int:
        numbers = [value for value in values if type(value) is int]
        least, most = min(numbers), max(numbers)
        if least >= -(2**63) and most < 2**63:
            return pa.int64()
        return pa.float64() if most <= _LARGEST and least >= -_LARGEST else JSON
    return _SCALARS.get(kind, JSON)


def common_types(one: Types, other: Types) -> Types:
    """Columns that hold the rows of both."""
    names = dict.fromkeys([*one, *other])
    null = pa.null()
    return {name: common_type(one.get(name, null), other.get(name, null)) for name in names}


def common_type(one: Any, other: Any) -> Any:
    """The type that holds the values of both as they are; JSON if there is no other."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == _NUMBERS:
        return pa.float64()
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(common_type(one.value_type, other.value_type))
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _common_struct(one, other)
    return JSON


def _common_struct(one: Any, other: Any) -> Any:
    fields = {field.name: field.type for field in one}
    if fields.keys() != {field.name for field in other}:
        return JSON
    return pa.struct(
        [(name, common_type(kind, other.field(name).type)) for name, kind in fields.items()]
    )


def readable_type(kind: Any) -> Any:
    """Arrow's reader of JSON makes broken arrays of lists that hold nothing but nulls; there, text
    does as well."""
    if pa.types.is_list(kind):
        items = readable_type(kind.value_type)
        return pa.list_(pa.string() if pa.types.is_null(items) else items)
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, readable_type(field.type)) for field in kind])
    return kind


def holds_json(kind: Any) -> bool:
    """Whether some part of the values is JSON text."""
    if pa.types.is_list(kind):
        return holds_json(kind.value_type)
    if pa.types.is_struct(kind):
        return any(holds_json(field.type) for field in kind)
    return bool(kind == JSON)
