"""``nulls="absent"``: null in an optional property counts as a missing one.

Tables cannot tell the two apart. A null is taken away from an object before it is judged, unless
the object's schema requires the property: then it must admit null. Nulls in arrays stay.

What only a branch requires (``anyOf``, ``oneOf``, ``then``, ``else``, a dependent schema) is
undecided: the data is valid if it is so with all such nulls kept, or with all of them taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.core.validation.documents import Documents
from llm_integrations.core.validation.shape import Shape, Shapes

__all__ = ["Nulls", "taken"]

_CONTAINERS: Final = frozenset({dict, list, tuple})
_CAN_LOSE: Final = frozenset(
    {"not", "if", "oneOf", "dependentRequired", "dependentSchemas", "dependencies"}
    | {"minProperties", "contains", "uniqueItems", "unevaluatedProperties", "unevaluatedItems"}
)


_BRANCHING: Final = frozenset(
    {"anyOf", "oneOf", "then", "else", "dependentSchemas", "dependencies", "patternProperties"}
    | {"contains", "unevaluatedProperties", "unevaluatedItems"}
)


class Nulls:
    """Takes nulls away as one schema says.

    Attributes:
        only_help: whether that can make data valid but never invalid, so that data which is valid
            with its nulls needs no second look.
    """

    def __init__(self, documents: Documents) -> None:
        nodes = [node for node, _ in documents.places()]
        self.only_help = not any(_can_lose(node) for node in nodes)
        self._branching = not all(_BRANCHING.isdisjoint(node) for node in nodes)
        self._root = Shapes(documents).root

    def variants(self, value: Any) -> Iterator[Any]:
        """The value without its optional nulls, in the one or two ways that count."""
        yield taken(value, self._root, True)
        if self._branching:
            yield taken(value, self._root, False)


def _can_lose(node: dict[str, Any]) -> bool:
    if not _CAN_LOSE.isdisjoint(node):
        return True
    listed = node.get("enum", [node.get("const")])
    return isinstance(listed, list) and any(isinstance(item, dict | list) for item in listed)


def taken(value: Any, shape: Shape | None, keep: bool) -> Any:
    """The value without the nulls that count as missing in this shape; itself if it has none.

    Args:
        keep: whether nulls stay in properties that only a branch requires.
    """
    if shape is None:
        return value
    if type(value) is dict:
        return _taken_from_object(value, shape, keep)
    if type(value) is list or type(value) is tuple:
        return _taken_from_array(value, shape, keep)
    return value


def _taken_from_object(value: dict[Any, Any], shape: Shape, keep: bool) -> dict[Any, Any]:
    changed: dict[Any, Any] = {}
    dropped: list[Any] = []
    for key, item in value.items():
        if item is None:
            if key not in shape.required and not (keep and key in shape.undecided):
                dropped.append(key)
        elif type(item) in _CONTAINERS:
            rest = taken(item, shape.property(key), keep)
            if rest is not item:
                changed[key] = rest
    if not dropped and not changed:
        return value
    kept = {**value, **changed}
    for key in dropped:
        del kept[key]
    return kept


def _taken_from_array(value: Any, shape: Shape, keep: bool) -> Any:
    changed: dict[int, Any] = {}
    for position, item in enumerate(value):
        if type(item) in _CONTAINERS:
            rest = taken(item, shape.item(position), keep)
            if rest is not item:
                changed[position] = rest
    if not changed:
        return value
    return [changed.get(position, item) for position, item in enumerate(value)]
