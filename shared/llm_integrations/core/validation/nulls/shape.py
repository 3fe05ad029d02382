"""What a schema requires at each place of the data, merged over all the parts that apply there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import BASE_URI, Documents, base_of

__all__ = ["Shape", "Shapes"]

_Part = tuple[Any, str, bool]
"""A subschema that applies at a place, its base URI, and whether it applies in any case."""

_IN_PLACE: Final = (
    ("allOf", True),
    ("anyOf", False),
    ("oneOf", False),
    ("dependentSchemas", False),
    ("dependencies", False),
)
_FOLLOWED: Final = 16
_OTHER: Final = object()
"""Stands for every property that no part declares."""


class Shapes:
    """Makes each shape of one schema once, however many places of recursive data have it."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._made: dict[frozenset[tuple[int, bool]], Shape] = {}
        self.root = self.of([(documents.root, BASE_URI, True)])

    def of(self, subschemas: Iterable[_Part]) -> Shape | None:
        """The shape where these subschemas apply together; None if they say nothing."""
        parts = self._flatten(subschemas)
        if not parts:
            return None
        key = frozenset(parts)
        if key not in self._made:
            self._made[key] = Shape(self, list(parts.values()))
        return self._made[key]

    def _flatten(self, subschemas: Iterable[_Part]) -> dict[tuple[int, bool], _Part]:
        """The subschemas and all that they apply to the same place."""
        parts: dict[tuple[int, bool], _Part] = {}
        waiting = list(subschemas)
        while waiting:
            node, base, sure = waiting.pop()
            if isinstance(node, dict) and node and (id(node), sure) not in parts:
                part = (node, base_of(node, base), sure)
                parts[id(node), sure] = part
                waiting.extend(self._in_place(*part))
        return parts

    def _in_place(self, node: dict[str, Any], base: str, sure: bool) -> Iterator[_Part]:
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(reference := node.get(keyword), str):
                target = self._documents.resolve(reference, base)
                if target is not None:
                    yield *target, sure
        for keyword, always in _IN_PLACE:
            for member in _members(node.get(keyword)):
                yield member, base, sure and always
        for keyword in ("then", "else"):
            yield node.get(keyword), base, False

    def refuses_null(self, schema: Any, base: str, depth: int = 0) -> bool:
        """Whether a schema certainly does not admit null."""
        if not isinstance(schema, dict):
            return schema is False
        base = base_of(schema, base)
        options = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(options, list) and None not in options:
            return True
        if "type" in schema and "null" not in schema["type"]:
            return True
        return depth < _FOLLOWED and self._parts_refuse_null(schema, base, depth + 1)

    def _parts_refuse_null(self, schema: dict[str, Any], base: str, depth: int) -> bool:
        if isinstance(reference := schema.get("$ref"), str):
            target = self._documents.resolve(reference, base)
            if target is not None and self.refuses_null(*target, depth):
                return True
        for keyword, enough in (("allOf", any), ("anyOf", all), ("oneOf", all)):
            members = _members(schema.get(keyword))
            if members and enough(self.refuses_null(member, base, depth) for member in members):
                return True
        return False


class Shape:
    """The requirements at one place. The places below are worked out when they are asked for.

    Attributes:
        required: the properties that must be there in any case.
        undecided: those that only some branch requires, and where it may admit null.
        prefix: how many first items of an array may each have a shape of their own.
    """

    def __init__(self, shapes: Shapes, parts: list[_Part]) -> None:
        self._shapes = shapes
        self._parts = parts
        self._properties: dict[Any, Shape | None] = {}
        self._items: dict[int, Shape | None] = {}
        self._declared = {name for node, _, _ in parts for name in node.get("properties", ())}
        self.prefix = max(len(_prefix(node)) for node, _, _ in parts)
        self.required = frozenset(
            name for node, _, sure in parts if sure for name in node.get("required", ())
        )
        self.undecided = frozenset(
            name
            for part in parts
            for name in part[0].get("required", ())
            if name not in self.required and self._admits_null(name, part)
        )

    def _admits_null(self, name: str, branch: _Part) -> bool:
        """Whether null may stand in a property that a branch requires."""
        return not any(
            name in node.get("properties", ())
            and self._shapes.refuses_null(node["properties"][name], base)
            for node, base, sure in self._parts
            if sure or node is branch[0]
        )

    def property(self, name: Any) -> Shape | None:
        """The shape of a property's value; None where nothing is said about it."""
        key = name if name in self._declared else _OTHER
        if key not in self._properties:
            self._properties[key] = self._shapes.of(
                below for part in self._parts for below in _of_property(*part, name)
            )
        return self._properties[key]

    def item(self, position: int) -> Shape | None:
        """The shape of an array's item; None where nothing is said about it."""
        position = min(position, self.prefix)
        if position not in self._items:
            self._items[position] = self._shapes.of(
                below for part in self._parts for below in _of_item(*part, position)
            )
        return self._items[position]


def _of_property(node: dict[str, Any], base: str, sure: bool, name: Any) -> Iterator[_Part]:
    declared = node.get("properties", {})
    patterns = _members(node.get("patternProperties"))
    if name in declared:
        yield declared[name], base, sure
    else:
        yield node.get("additionalProperties"), base, sure and not patterns
    for member in patterns:
        yield member, base, False
    yield node.get("unevaluatedProperties"), base, False


def _of_item(node: dict[str, Any], base: str, sure: bool, position: int) -> Iterator[_Part]:
    prefix = _prefix(node)
    items = node.get("items")
    if position < len(prefix):
        yield prefix[position], base, sure
    else:
        yield node.get("additionalItems") if isinstance(items, list) else items, base, sure
    yield node.get("contains"), base, False
    yield node.get("unevaluatedItems"), base, False


def _prefix(node: dict[str, Any]) -> list[Any]:
    for keyword in ("prefixItems", "items"):
        if isinstance(node.get(keyword), list):
            return list(node[keyword])
    return []


def _members(value: Any) -> list[Any]:
    """The subschemas in a list or a mapping; a keyword unknown to its draft may hold anything."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
