"""``nulls="absent"``: null in an optional property counts as a missing one.

Tables cannot tell the two apart. A null is removed from an object before it is judged, unless
the object's schema requires the property: then it must admit null. Nulls in arrays stay.

What only a branch requires (``anyOf``, ``oneOf``, ``then``, ``else``, a dependent schema) is
undecided: the data is valid if it is so with all such nulls kept, or with all of them removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.validation.nulls.shape import Shape, Shapes

__all__ = ["Nulls", "drop_nulls"]

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
    """Drops the nulls that one schema does not require.

    Attributes:
        only_help: whether dropping nulls can make data valid but never invalid, so that data which
            is valid with its nulls is not judged again.
        is_branching: whether there are two ways to leave nulls out.
    """

    def __init__(self, documents: Documents) -> None:
        self.only_help = not any(map(_can_lose, documents.objects()))
        self.is_branching = not _BRANCHING.isdisjoint(documents.keywords)
        self._root = Shapes(documents).root

    def variants(self, value: Any) -> Iterator[Any]:
        """The value without its optional nulls, in the one or two ways that count."""
        yield drop_nulls(value, self._root, True)
        if self.is_branching:
            yield drop_nulls(value, self._root, False)


def _can_lose(node: dict[str, Any]) -> bool:
    if not _CAN_LOSE.isdisjoint(node):
        return True
    listed = node.get("enum", [node.get("const")])
    return isinstance(listed, list) and any(isinstance(item, dict | list) for item in listed)


def drop_nulls(value: Any, shape: Shape | None, keep: bool) -> Any:
    """The value without the nulls that ``shape`` does not require; itself if there are none.

    Args:
        keep: whether to keep those nulls that only a branch requires.
    """
    if shape is None or type(value) not in _CONTAINERS:
        return value
    containers = [_Container(value, shape)]
    for container in containers:
        containers.extend(container.search(keep))
    for container in reversed(containers):
        if container.dropped or container.changed:
            if container.parent is None:
                return container.copy()
            container.parent.changed[container.key] = container.copy()
    return value


class _Container:
    """An object or array of the data: the nulls it loses, and its members that are replaced."""

    __slots__ = ("changed", "dropped", "key", "parent", "shape", "value")

    def __init__(
        self, value: Any, shape: Shape, parent: _Container | None = None, key: Any = None
    ) -> None:
        self.value = value
        self.shape = shape
        self.parent = parent
        self.key = key
        self.dropped: list[Any] = []
        self.changed: dict[Any, Any] = {}

    def search(self, keep: bool) -> list[_Container]:
        """Note the nulls to drop; the containers below that may have some."""
        if type(self.value) is dict:
            return self._search_object(keep)
        shapes = ((n, item, self.shape.item(n)) for n, item in enumerate(self.value))
        return [
            _Container(item, below, self, n)
            for n, item, below in shapes
            if below is not None and type(item) in _CONTAINERS
        ]

    def _search_object(self, keep: bool) -> list[_Container]:
        shape, found = self.shape, []
        for key, item in self.value.items():
            if item is None:
                if key not in shape.required and not (keep and key in shape.undecided):
                    self.dropped.append(key)
            elif type(item) in _CONTAINERS and (below := shape.property(key)) is not None:
                found.append(_Container(item, below, self, key))
        return found

    def copy(self) -> Any:
        if type(self.value) is dict:
            kept = {**self.value, **self.changed}
            for key in self.dropped:
                del kept[key]
            return kept
        return [self.changed.get(n, item) for n, item in enumerate(self.value)]
