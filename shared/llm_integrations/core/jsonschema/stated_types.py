"""Which JSON types a subschema's own keywords leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["ALL_TYPES", "stated_types"]

_NAMES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
ALL_TYPES: Final = frozenset([*_NAMES.values(), "number", "null"])


def stated_types(keywords: Mapping[str, Any]) -> frozenset[str]:
    """The types by ``type``, ``enum`` and ``const``; "number" always with "integer"."""
    found = ALL_TYPES
    if "type" in keywords:
        names = {keywords["type"]} if isinstance(keywords["type"], str) else set(keywords["type"])
        found &= names | ({"integer"} if "number" in names else set())
    if "enum" in keywords:
        found &= {_type_of(value) for value in keywords["enum"]}
    return found & {_type_of(keywords["const"])} if "const" in keywords else found


def _type_of(value: Any) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return "null" if value is None else _NAMES[type(value)]
