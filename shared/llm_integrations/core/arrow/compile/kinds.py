"""Which JSON type an Arrow type holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from llm_integrations.core.arrow.pyarrow_modules import types

__all__ = ["ColumnType", "Kind", "kind_of", "value_type"]


class Kind(Enum):
    """The JSON type of a column's values, where Arrow tells. OTHER is judged in Python."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "number"
    STRING = "string"
    ARRAY = "array"
    OBJECT = "object"
    MAP = "map"
    OTHER = "other"

    @property
    def json_type(self) -> str:
        return "object" if self is Kind.MAP else self.value


def _is_map_by_name(arrow_type: Any) -> bool:
    return bool(types.is_map(arrow_type)) and kind_of(arrow_type.key_type) is Kind.STRING


_TESTS = (
    (types.is_null, Kind.NULL),
    (types.is_boolean, Kind.BOOLEAN),
    (types.is_integer, Kind.INTEGER),
    (types.is_floating, Kind.FLOAT),
    (types.is_string, Kind.STRING),
    (types.is_large_string, Kind.STRING),
    (types.is_string_view, Kind.STRING),
    (types.is_list, Kind.ARRAY),
    (types.is_large_list, Kind.ARRAY),
    (types.is_fixed_size_list, Kind.ARRAY),
    (types.is_list_view, Kind.ARRAY),
    (types.is_large_list_view, Kind.ARRAY),
    (types.is_struct, Kind.OBJECT),
    (_is_map_by_name, Kind.MAP),
)


def kind_of(arrow_type: Any) -> Kind:
    """Dictionary and run-end encodings count as what they encode."""
    plain = value_type(arrow_type)
    found = next((kind for is_it, kind in _TESTS if is_it(plain)), Kind.OTHER)
    if found is Kind.OBJECT and _has_twins(plain):
        return Kind.OTHER
    return found


def value_type(arrow_type: Any) -> Any:
    """The type of the values behind any encoding."""
    while types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type):
        arrow_type = arrow_type.value_type
    return arrow_type


@dataclass(frozen=True, eq=False)
class ColumnType:
    """An Arrow type, with what each subschema about its values asks, worked out once.

    Attributes:
        arrow: the type.
    """

    arrow: Any

    @cached_property
    def kind(self) -> Kind:
        return kind_of(self.arrow)

    @cached_property
    def members(self) -> Mapping[str, tuple[int, Any]]:
        """The position and the type of each member of the objects."""
        struct = value_type(self.arrow)
        return {part.name: (index, part.type) for index, part in enumerate(struct)}

    @cached_property
    def name(self) -> str:
        """The same for two types whose values are judged alike."""
        return str(value_type(self.arrow))


def _has_twins(struct: Any) -> bool:
    names = [field.name for field in struct]
    return len(set(names)) < len(names)
