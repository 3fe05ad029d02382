"""Writing the schema of observed values, in the style of one written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from llm_integrations.core.inference.observed_values import ObservedValues

__all__ = ["Style", "schema_of"]

_ORDER: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
_ENOUGH: Final = 20
_REPEATS: Final = 5
_WORD: Final = 40
_NAMES: Final = 24
_RARE: Final = 0.25


@dataclass(frozen=True)
class Style:
    """What an inferred schema states.

    Attributes:
        ranges: state the least and the greatest number.
        max_enum: the most words of an enumeration; 0 writes none.
    """

    ranges: bool = False
    max_enum: int = 10


def schema_of(observed: ObservedValues, style: Style) -> dict[str, Any]:
    """A schema that all observed values satisfy."""
    if observed.anything or not observed.kinds:
        return {}
    kinds = _kinds(observed)
    schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if "string" in kinds:
        schema |= _of_texts(observed, kinds, style)
    if style.ranges and observed.numbers is not None:
        schema["minimum"], schema["maximum"] = map(_as_json, observed.numbers)
    if observed.items is not None:
        items = schema_of(observed.items, style)
        schema |= {"items": items} if items else {}
    if "object" in kinds:
        schema |= _of_objects(observed, style)
    return schema


def _as_json(number: float | Decimal) -> float:
    """A Decimal as the nearest float: that is how a Decimal in a row is judged too."""
    return float(number) if isinstance(number, Decimal) else number


def _kinds(observed: ObservedValues) -> list[str]:
    found = [kind for kind in _ORDER if observed.kinds[kind]]
    return [kind for kind in found if kind != "integer"] if "number" in found else found


def _of_texts(observed: ObservedValues, kinds: list[str], style: Style) -> dict[str, Any]:
    if observed.formats:
        return {"format": next(iter(observed.formats))}
    words = observed.texts
    if words is None or not 1 < len(words) <= style.max_enum or set(kinds) - {"string", "null"}:
        return {}
    often = observed.kinds["string"] >= max(_ENOUGH, _REPEATS * len(words))
    if not often or any(len(word) > _WORD for word in words):
        return {}
    # An enumeration must list null too: the type alone does not admit it.
    return {"enum": [*sorted(words), *([None] if "null" in kinds else [])]}


def _of_objects(observed: ObservedValues, style: Style) -> dict[str, Any]:
    if observed.values is None and _is_map(observed):
        observed.as_map()
    if observed.values is not None:
        values = schema_of(observed.values, style)
        return {"additionalProperties": values} if values else {}
    if not observed.members:
        return {}
    objects = observed.kinds["object"]
    schema: dict[str, Any] = {
        "properties": {name: schema_of(part, style) for name, part in observed.members.items()}
    }
    required = [name for name, part in observed.members.items() if part.count == objects]
    return {**schema, "required": required} if required else schema


def _is_map(observed: ObservedValues) -> bool:
    """Whether the names are data: there are many, and hardly any occurs in two objects."""
    if len(observed.members) < _NAMES:
        return False
    there = sum(part.count for part in observed.members.values())
    return there < _RARE * len(observed.members) * observed.kinds["object"]
