"""Blocks of JSON lines as Arrow tables, each row as its line has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from io import BytesIO
from itertools import islice
from typing import Any, Final

from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types
from llm_integrations.core.errors import ConfigurationError
from llm_integrations.core.tables.json_line import decode_lines, encode, read_line
from llm_integrations.core.tables.line_types import (
    JSON,
    Types,
    holds_json,
    readable_type,
    types_of_rows,
)

__all__ = ["as_lines", "read_block", "rows_of", "table_of_block"]

_FIRST: Final = 64
"""Lines that the types are guessed from before all are read."""
_MANY_COLUMNS: Final = 1_000
_CELLS_PER_BYTE: Final = 8
_LONG: Final = re.compile(rb"\d{19}")
_ALL_64_BITS: Final = range(-(2**63), 2**64)
_Encoder = Callable[[Any], Any]


def table_of_block(block: bytes, known: Types) -> tuple[Any, Types]:
    """Lines that hold objects as a Table, and the types of its columns.

    Args:
        known: types that the columns have at the least; empty before the first block.

    Raises:
        ConfigurationError: the names of the columns are data, and no table can hold them.
    """
    kinds = known or types_of_rows(_first_rows(block), {})
    if not any(map(holds_json, kinds.values())):
        table = _read_plainly(block, kinds)
        if table is not None and not any(map(_may_differ, table.columns)):
            return table, kinds
    rows = rows_of(block)
    kinds = types_of_rows(rows, kinds)
    _check_names(len(kinds), len(rows), len(block))
    return _read_encoded(rows, kinds), kinds


def _first_rows(block: bytes) -> list[dict[str, Any]]:
    lines = BytesIO(block)
    return [read_line(line) for line in islice(lines, _FIRST)]


def _read_plainly(block: bytes, kinds: Types) -> Any:
    """The table as Arrow reads it; None if a line has another column, key or type."""
    try:
        return read_block(block, kinds)
    except pa.ArrowInvalid:
        return None


def read_block(block: bytes, kinds: Types, others: str = "error") -> Any:
    """Lines as a Table with columns of these types.

    Args:
        others: what is done with other columns and keys: "error" or "ignore".

    Raises:
        ArrowInvalid: a line has another column or key, one twice, or a value of another type.
    """
    from pyarrow import json as arrow_json

    schema = pa.schema([(name, readable_type(kind)) for name, kind in kinds.items()])
    parsing = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others)
    # In one piece, by one thread: with several pieces pyarrow can crash.
    reading = arrow_json.ReadOptions(block_size=len(block) + 1, use_threads=False)
    return arrow_json.read_json(pa.BufferReader(block), reading, parsing)


def _may_differ(column: Any) -> bool:
    """Whether some object in a column may lack a key, which reads as null, or some integer is so
    large that it reads as infinity."""
    return any(_has_null_members(chunk) or _has_infinity(chunk) for chunk in column.chunks)


def _has_infinity(array: Any) -> bool:
    if types.is_floating(array.type):
        return bool(pc.any(pc.is_inf(array)).as_py())
    if types.is_list(array.type):
        return _has_infinity(array.flatten())
    return types.is_struct(array.type) and any(map(_has_infinity, array.flatten()))


def _has_null_members(array: Any) -> bool:
    if types.is_list(array.type):
        return _has_null_members(array.flatten())
    if not types.is_struct(array.type):
        return False
    there = array.drop_null() if array.null_count else array
    members = [there.field(index) for index in range(there.type.num_fields)]
    return any(member.null_count or _has_null_members(member) for member in members)


def rows_of(block: bytes) -> list[dict[str, Any]]:
    """The lines as Python reads them: of a name that comes twice it takes the last."""
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    rows = decode_lines(block)
    if rows is None or len(rows) != lines:
        rows = [read_line(line) for line in block.split(b"\n") if line.strip()]
    return list(rows)


def as_lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """What ``rows_of`` reads."""
    return b"\n".join(map(encode, rows))


def _check_names(columns: int, rows: int, size: int) -> None:
    if columns > _MANY_COLUMNS and columns * rows > size * _CELLS_PER_BYTE:
        raise ConfigurationError(
            f"{rows:,} lines have {columns:,} names between them, most of them in few lines: names "
            "that are data make no columns. Give `output`, and take the valid lines from there"
        )


def _read_encoded(rows: list[dict[str, Any]], kinds: Types) -> Any:
    """The table of rows whose columns are of these types."""
    encoders = {name: _encoder(kind) for name, kind in kinds.items() if holds_json(kind)}
    for row in rows:
        for name, encoder in encoders.items():
            if row.get(name) is not None:
                row[name] = encoder(row[name])
    table = read_block(as_lines(rows), {name: _stored(kind) for name, kind in kinds.items()})
    for name in encoders:
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table.column(index).cast(readable_type(kinds[name])))
    return table


def _encoder(kind: Any) -> _Encoder:
    """What writes those parts of a value as text that are JSON."""
    if kind == JSON:
        return _text
    if types.is_list(kind):
        each = _encoder(kind.value_type)
        return lambda items: [None if item is None else each(item) for item in items]
    fields = [(field.name, _encoder(field.type)) for field in kind if holds_json(field.type)]

    def members(value: dict[str, Any]) -> dict[str, Any]:
        written = {n: each(value[n]) for n, each in fields if value[n] is not None}
        return {**value, **written}

    return members


def _text(value: Any) -> str:
    text = encode(value)
    if _LONG.search(text):
        # The decoder of ``Json()`` columns refuses integers of more than 64 bits.
        held = json.loads(text, parse_int=_within_64_bits)
        text = json.dumps(held, ensure_ascii=False).encode()
    return text.decode()


def _within_64_bits(digits: str) -> int | float | str:
    number = int(digits)
    try:
        return number if number in _ALL_64_BITS else float(number)
    except OverflowError:
        return digits


def _stored(kind: Any) -> Any:
    """The type that JSON text is read as."""
    if kind == JSON:
        return pa.string()
    if types.is_list(kind):
        return pa.list_(_stored(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, _stored(field.type)) for field in kind])
    return kind
