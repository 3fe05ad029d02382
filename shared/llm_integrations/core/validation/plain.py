"""Whether a value is plain JSON already: the guard for schemas that leave values unchecked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import jsonschema_rs

__all__ = ["JSON_TYPES", "is_exactly_json", "is_plain", "is_shallow_json", "levels", "size_of_json"]

JSON_TYPES: Final = ("array", "boolean", "null", "number", "object", "string")
"""All of them: as a ``type`` they refuse NaN and infinity, and nothing else."""

_LEVELS: Final = 8
_FEW: Final = 10_000
_NOTHING: Final = ()
_SCALARS: Final = frozenset({str, int, bool, type(None)})


def is_plain(value: Any, max_depth: int) -> bool:
    """Whether a value holds only JSON types and finite numbers, ``max_depth`` deep at most.

    False decides nothing but that the value needs a closer look; a Python object may raise
    ValueError instead.
    """
    return (max_depth >= _LEVELS and is_shallow_json(value)) or is_exactly_json(value, max_depth)


def is_shallow_json(value: Any) -> bool:
    """Whether a value of a few levels holds only JSON types, finite numbers and text as keys.

    False decides nothing, as in ``is_plain``; a Python object may raise ValueError instead.
    """
    return _engine().is_valid(value)


def levels(prefix: str, depth: int, *, end: bool) -> dict[str, Any]:
    """Definitions of plain JSON, to be put under ``$defs``; the first is named ``prefix`` and 0.

    They do not recurse, since the engine would follow the data until the stack ends.

    Args:
        depth: levels of containers that are looked at.
        end: whether deeper containers are accepted unseen, or refused.
    """
    scalars = [name for name in JSON_TYPES if name not in ("array", "object")]
    definitions: dict[str, Any] = {
        f"{prefix}{depth}": {"type": list(JSON_TYPES) if end else scalars}
    }
    for level in range(depth):
        below = {"$ref": f"#/$defs/{prefix}{level + 1}"}
        types = list(JSON_TYPES)
        definitions[f"{prefix}{level}"] = {
            "type": types,
            "items": below,
            "additionalProperties": below,
        }
    return definitions


@cache
def _engine() -> jsonschema_rs.Validator:
    """Sees to the usual, shallow value faster than Python does."""
    schema = {"$ref": "#/$defs/0", "$defs": levels("", _LEVELS, end=False)}
    return jsonschema_rs.validator_for(schema, offline=True)


def is_exactly_json(value: Any, max_depth: int) -> bool:
    """The same for the exact types that ``json.loads`` makes. Keys are not looked at."""
    return size_of_json(value, max_depth) > 0


def size_of_json(value: Any, max_depth: int) -> float:
    """How many values it holds, itself included, and 64 characters count as one more; infinity
    for many. 0 for what ``is_exactly_json`` refuses.
    """
    if max_depth and type(value) is dict and _SCALARS.issuperset(map(type, value.values())):
        texts = [len(item) for item in value.values() if type(item) is str]  # as most rows are
        return 1 + len(value) + (sum(texts) >> 6)
    return _size_by_level(value, max_depth)


def _size_by_level(value: Any, max_depth: int) -> float:
    level: list[Any] = [value]
    count = 1
    for _ in range(max_depth):
        below: list[Any] = []
        for item in level:
            # As ``_children``, without a call for each scalar.
            kind = type(item)
            if kind is str:
                count += len(item) >> 6
            elif kind in _SCALARS:
                continue
            elif kind is dict:
                below += item.values()
            elif kind is list:
                below += item
            elif kind is not float or not math.isfinite(item):
                return 0
        if not below:
            return count
        count += len(below)
        if count > _FEW:
            # Parts that stand in many places would be walked many times; this walks them once.
            return math.inf if _height(value, max_depth) <= max_depth else 0
        level = below
    return math.inf if all(_children(item) is _NOTHING for item in level) else 0


def _children(item: Any) -> Iterable[Any] | None:
    """What an item holds; None if it is not plain."""
    kind = type(item)
    if kind is dict or kind is list:
        children: Iterable[Any] = item.values() if kind is dict else item
        return children
    return _NOTHING if kind in _SCALARS or (kind is float and math.isfinite(item)) else None


class _Visit:
    """A container whose children are being looked at."""

    __slots__ = ("height", "item", "rest")

    def __init__(self, item: Any, children: Iterable[Any]) -> None:
        self.item = item
        self.rest = iter(children)
        self.height = 1


def _height(value: Any, max_depth: int) -> float:
    """How many containers stand in one another at the deepest place; infinite if not plain."""
    heights: dict[int, int] = {}
    path = [_Visit(value, _children(value) or _NOTHING)]
    while path:
        if len(path) > max_depth:
            return math.inf
        visit = path[-1]
        for child in visit.rest:
            if (children := _children(child)) is None:
                return math.inf
            if children is _NOTHING:
                continue
            if id(child) not in heights:
                path.append(_Visit(child, children))
                break
            visit.height = max(visit.height, heights[id(child)] + 1)
        else:
            path.pop()
            heights[id(visit.item)] = visit.height
            if path:
                path[-1].height = max(path[-1].height, visit.height + 1)
    return heights[id(value)]
