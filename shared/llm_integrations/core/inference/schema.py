"""The schema that says what was seen, as a person would write it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from llm_integrations.core.inference.seen import Seen

__all__ = ["Style", "schema_of"]

_ORDER: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
_ENOUGH: Final = 20
_REPEATS: Final = 5
_WORD: Final = 40
_NAMES: Final = 24
_RARE: Final = 0.25


@dataclass(frozen=True)
class Style:
    """Attributes: whether to say the least and greatest number, and how many words an enumeration
    may have (0: none is written)."""

    ranges: bool = False
    max_enum: int = 10


def schema_of(seen: Seen, style: Style) -> dict[str, Any]:
    """A schema that all values satisfy that were seen."""
    if seen.anything or not seen.kinds:
        return {}
    kinds = _kinds(seen)
    schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if "string" in kinds:
        schema |= _of_texts(seen, kinds, style)
    if style.ranges and seen.numbers is not None:
        schema["minimum"], schema["maximum"] = map(_as_json, seen.numbers)
    if seen.items is not None:
        items = schema_of(seen.items, style)
        schema |= {"items": items} if items else {}
    if "object" in kinds:
        schema |= _of_objects(seen, style)
    return schema


def _as_json(number: float | Decimal) -> float:
    """A Decimal as the nearest number that JSON writes; rows are judged by it as well."""
    return float(number) if isinstance(number, Decimal) else number


def _kinds(seen: Seen) -> list[str]:
    found = [kind for kind in _ORDER if seen.kinds[kind]]
    return [kind for kind in found if kind != "integer"] if "number" in found else found


def _of_texts(seen: Seen, kinds: list[str], style: Style) -> dict[str, Any]:
    if seen.formats:
        return {"format": next(iter(seen.formats))}
    words = seen.texts
    if words is None or not 1 < len(words) <= style.max_enum or set(kinds) - {"string", "null"}:
        return {}
    often = seen.kinds["string"] >= max(_ENOUGH, _REPEATS * len(words))
    if not often or any(len(word) > _WORD for word in words):
        return {}
    # null is a value like the others there: the type alone does not admit it.
    return {"enum": [*sorted(words), *([None] if "null" in kinds else [])]}


def _of_objects(seen: Seen, style: Style) -> dict[str, Any]:
    if seen.values is None and _is_map(seen):
        seen.as_map()
    if seen.values is not None:
        values = schema_of(seen.values, style)
        return {"additionalProperties": values} if values else {}
    if not seen.members:
        return {}
    objects = seen.kinds["object"]
    schema: dict[str, Any] = {
        "properties": {name: schema_of(part, style) for name, part in seen.members.items()}
    }
    required = [name for name, part in seen.members.items() if part.count == objects]
    return {**schema, "required": required} if required else schema


def _is_map(seen: Seen) -> bool:
    """Whether the names are data: there are many, and hardly one comes twice."""
    if len(seen.members) < _NAMES:
        return False
    there = sum(part.count for part in seen.members.values())
    return there < _RARE * len(seen.members) * seen.kinds["object"]
