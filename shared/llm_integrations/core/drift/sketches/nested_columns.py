"""The columns of a table, and those nested in them: fields of structs, what is within lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_integrations.core.arrow.pyarrow_modules import pa, pc, types
from llm_integrations.core.arrow.run.layouts import plain_text
from llm_integrations.core.arrow.run.readable import readable
from llm_integrations.core.drift.domains import ITEM

__all__ = [
    "NestedColumn",
    "Path",
    "entries",
    "filled",
    "is_list",
    "is_worded",
    "lengths",
    "nested_columns",
    "plain_values",
]

Path = tuple[str, ...]


@dataclass(frozen=True)
class NestedColumn:
    """The values that stand at one path of a table.

    Attributes:
        path: names of members, and ``[*]`` for what is within a list or a map.
        values: a ChunkedArray.
        groups: the rows that they come from, where several may stand in one; else None.
    """

    path: Path
    values: Any
    groups: int | None = None

    @property
    def name(self) -> str:
        """As ``address/city`` or ``messages[*].role``."""
        name, within = "", False
        for step in self.path:
            within = within or step == ITEM
            sign = "" if not name or step == ITEM else "." if within else "/"
            name += sign + step
        return name

    @property
    def parent(self) -> Path:
        """The list that it is within; empty for a column, or a field of one."""
        last = max((at for at, step in enumerate(self.path) if step == ITEM), default=-1)
        return self.path[: last + 1]


def nested_columns(table: Any) -> Iterator[NestedColumn]:
    """Every column of a table. Lists of scalars are one, those of objects or lists more."""
    for name, values in zip(table.schema.names, table.columns, strict=True):
        yield from _below(NestedColumn((name,), values))


def _below(column: NestedColumn) -> Iterator[NestedColumn]:
    values = plain_values(column.values)
    column = NestedColumn(column.path, values, column.groups)
    kind = values.type
    if types.is_struct(kind):
        for index in range(kind.num_fields):
            path = (*column.path, kind.field(index).name)
            yield from _below(NestedColumn(path, pc.struct_field(values, [index]), column.groups))
        return
    yield column
    if types.is_map(kind):
        yield from _below(_within(column, pc.struct_field(entries(values), [1])))
    elif is_list(kind) and types.is_nested(kind.value_type):
        yield from _below(_within(column, pc.list_flatten(values)))


def _within(column: NestedColumn, items: Any) -> NestedColumn:
    groups = filled(column.values)
    if column.groups is not None:
        groups = min(groups, column.groups)
    return NestedColumn((*column.path, ITEM), items, groups)


def filled(lists: Any) -> int:
    """How many lists or maps hold anything."""
    found: int = pc.sum(pc.greater(lengths(lists), 0), min_count=0).as_py()
    return found


def lengths(lists: Any) -> Any:
    """How many items each list, or keys each map, has."""
    return pc.list_value_length(_as_lists(lists) if types.is_map(lists.type) else lists)


def entries(maps: Any) -> Any:
    """The keys and values of all maps, as structs."""
    return pc.list_flatten(_as_lists(maps))


def _as_lists(maps: Any) -> Any:
    kind = maps.type
    pair = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
    return maps.cast(pa.list_(pair))


def is_list(kind: Any) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def plain_values(values: Any) -> Any:
    """The values of a ChunkedArray, of a type that statistics know: plain, or texts by codes."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        stored = [chunk.storage for chunk in values.chunks]
        return plain_values(pa.chunked_array(stored, type=kind.storage_type))
    if _has_other_layout(kind):
        chunks = values.chunks or [pa.nulls(0, kind)]
        read = [readable(pa.record_batch([chunk], ["values"])).column(0) for chunk in chunks]
        return plain_values(pa.chunked_array(read))
    if is_worded(kind) and _are_fewer(values):
        return values
    if types.is_dictionary(kind):
        decoded = [chunk.dictionary.take(chunk.indices) for chunk in values.chunks]
        return plain_values(pa.chunked_array(decoded, type=kind.value_type))
    return values


def is_worded(kind: Any) -> bool:
    """Whether texts are kept as codes of words."""
    return bool(types.is_dictionary(kind) and types.is_string(kind.value_type))


def _are_fewer(values: Any) -> bool:
    """Whether there are fewer words than values, none of them null."""
    words = [chunk.dictionary for chunk in values.chunks]
    return (
        bool(words)
        and sum(map(len, words)) <= len(values)
        and not any(dictionary.null_count for dictionary in words)
    )


def _has_other_layout(kind: Any) -> bool:
    """Whether there are views or runs anywhere in it, for which Arrow has few kernels."""
    if types.is_dictionary(kind):
        return _has_other_layout(kind.value_type)
    is_view = types.is_list_view(kind) or types.is_large_list_view(kind) or plain_text(kind)
    number = 0 if types.is_union(kind) else kind.num_fields
    parts = (kind.field(index).type for index in range(number))
    return bool(is_view or types.is_run_end_encoded(kind) or any(map(_has_other_layout, parts)))
