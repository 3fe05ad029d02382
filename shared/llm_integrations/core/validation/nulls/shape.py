"""What a schema requires at each place of the data, merged over all the parts that apply there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["Shape", "Shapes"]

_Part = tuple[SchemaLocation, bool]
"""A subschema that applies at a place, and whether it applies in any case."""

_IN_PLACE: Final = (
    ("allOf", True),
    ("anyOf", False),
    ("oneOf", False),
    ("then", False),
    ("else", False),
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
        self._made: dict[frozenset[_Part], Shape] = {}
        self._refusals: dict[tuple[SchemaLocation, int], bool] = {}
        self.root = self.of([(documents.top, True)])

    def of(self, subschemas: Iterable[_Part]) -> Shape | None:
        """The shape where these subschemas apply together; None if they say nothing."""
        parts = self._flatten(subschemas)
        if not parts:
            return None
        key = frozenset(parts)
        if key not in self._made:
            self._made[key] = Shape(self, parts)
        return self._made[key]

    def _flatten(self, subschemas: Iterable[_Part]) -> list[_Part]:
        """The subschemas and all that they apply to the same place."""
        parts: dict[_Part, None] = {}
        waiting = list(subschemas)
        while waiting:
            part = waiting.pop()
            schema = part[0].schema
            if isinstance(schema, dict) and schema and part not in parts:
                parts[part] = None
                waiting.extend(self._in_place(*part))
        return list(parts)

    def _in_place(self, location: SchemaLocation, sure: bool) -> Iterator[_Part]:
        for target in self._documents.targets(location):
            if target is not None:
                yield target, sure
        for keyword, always in _IN_PLACE:
            for member in location.applied_parts(keyword):
                yield member, sure and always

    def refuses_null(self, location: SchemaLocation, depth: int = 0) -> bool:
        """Whether a schema certainly does not admit null."""
        key = location, depth
        if key not in self._refusals:
            self._refusals[key] = self._refuses_null(location, depth)
        return self._refusals[key]

    def _refuses_null(self, location: SchemaLocation, depth: int) -> bool:
        if not isinstance(location.schema, dict):
            return location.schema is False
        keywords = location.keywords
        options = keywords.get("enum", [keywords["const"]] if "const" in keywords else None)
        if isinstance(options, list) and None not in options:
            return True
        if "type" in keywords and "null" not in keywords["type"]:
            return True
        return depth < _FOLLOWED and self._parts_refuse_null(location, depth + 1)

    def _parts_refuse_null(self, location: SchemaLocation, depth: int) -> bool:
        target = self._documents.follow(location) if "$ref" in location.keywords else None
        if target is not None and self.refuses_null(target, depth):
            return True
        for keyword, enough in (("allOf", any), ("anyOf", all), ("oneOf", all)):
            members = location.applied_parts(keyword)
            if members and enough(self.refuses_null(member, depth) for member in members):
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
        keywords = [(location.keywords, sure) for location, sure in parts]
        self._declared = {name for node, _ in keywords for name in node.get("properties", ())}
        self._declaring: dict[str, list[SchemaLocation]] = {}
        for location in (location for location, sure in parts if sure):
            for name in location.keywords.get("properties", ()):
                self._declaring.setdefault(name, []).append(location)
        self.prefix = max(len(_prefix(location)) for location, _ in parts)
        self.required = frozenset(
            name for node, sure in keywords if sure for name in node.get("required", ())
        )
        self.undecided = frozenset(
            name
            for location, _ in parts
            for name in location.keywords.get("required", ())
            if name not in self.required and self._admits_null(name, location)
        )

    def _admits_null(self, name: str, branch: SchemaLocation) -> bool:
        """Whether null may stand in a property that a branch requires."""
        declaring = self._declaring.get(name, ())
        if name in branch.keywords.get("properties", ()):
            declaring = [*declaring, branch]
        return not any(
            self._shapes.refuses_null(location.below("properties", name)) for location in declaring
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


def _of_property(location: SchemaLocation, sure: bool, name: Any) -> Iterator[_Part]:
    patterns = location.applied_parts("patternProperties")
    if name in location.keywords.get("properties", ()):
        yield location.below("properties", name), sure
    else:
        for member in location.applied_parts("additionalProperties"):
            yield member, sure and not patterns
    for member in (*patterns, *location.applied_parts("unevaluatedProperties")):
        yield member, False


def _of_item(location: SchemaLocation, sure: bool, position: int) -> Iterator[_Part]:
    prefix = _prefix(location)
    if position < len(prefix):
        yield prefix[position], sure
    else:
        several = isinstance(location.keywords.get("items"), list)
        for member in location.applied_parts("additionalItems" if several else "items"):
            yield member, sure
    for member in (
        *location.applied_parts("contains"),
        *location.applied_parts("unevaluatedItems"),
    ):
        yield member, False


def _prefix(location: SchemaLocation) -> list[SchemaLocation]:
    keyword = "prefixItems" if "prefixItems" in location.keywords else "items"
    listed = isinstance(location.keywords.get(keyword), list)
    return location.applied_parts(keyword) if listed else []
