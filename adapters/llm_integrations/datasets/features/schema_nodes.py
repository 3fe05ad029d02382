"""Reading a JSON Schema for columns: references followed, types inferred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import REFERENCES, Documents
from llm_integrations.core.jsonschema.drafts import CONSTRAINING
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.stated_types import ALL_TYPES, stated_types

__all__ = ["SchemaNode", "SchemaNodes"]

_DEPTH: Final = 64
"""Unions within unions; what is deeper may be anything."""

_COMBINING: Final = ("allOf", "anyOf", "oneOf")
_HINTS: Final = {
    "properties": "object",
    "required": "object",
    "patternProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
}


@dataclass(frozen=True)
class SchemaNode:
    """A subschema, together with what it stands for.

    Attributes:
        origin: where what it stands for is written.
        keywords: what it says. Of two subschemas that say it differently, the one that refers.
        owners: the subschema that says it, for each keyword.
        properties: the subschema of each declared property.
        types: the JSON types that its own keywords leave.
    """

    origin: SchemaLocation
    keywords: Mapping[str, Any]
    owners: Mapping[str, SchemaLocation]
    properties: Mapping[str, SchemaLocation]
    types: frozenset[str]

    @classmethod
    def of(cls, location: SchemaLocation) -> SchemaNode:
        """What a subschema says itself: keywords that count, and annotations."""
        said = location.keywords
        notes = location.schema.keys() - CONSTRAINING
        if not (location.draft.ref_hides_siblings and "$ref" in said):
            said |= {word: location.schema[word] for word in notes}
        below = {name: location.below("properties", name) for name in said.get("properties", ())}
        return cls(location, said, dict.fromkeys(said, location), below, stated_types(said))

    def over(self, other: SchemaNode) -> SchemaNode:
        """What it says with what ``other`` says, which it stands for."""
        keywords = {**other.keywords, **self.keywords}
        if "required" in self.keywords and "required" in other.keywords:
            keywords["required"] = [*other.keywords["required"], *self.keywords["required"]]
        return SchemaNode(
            other.origin,
            keywords,
            {**other.owners, **self.owners},
            {**other.properties, **self.properties},
            self.types & other.types,
        )

    def without(self, *keywords: str) -> SchemaNode:
        said = {word: value for word, value in self.keywords.items() if word not in keywords}
        return SchemaNode(self.origin, said, self.owners, self.properties, self.types)

    def parts(self, keyword: str) -> list[SchemaLocation]:
        """The subschemas that a keyword holds."""
        return self.owners[keyword].parts(keyword) if keyword in self.keywords else []

    @property
    def branches(self) -> list[SchemaLocation]:
        """The members of anyOf or oneOf; empty without one."""
        return self.parts("anyOf") or self.parts("oneOf")

    @property
    def unknown_reference(self) -> bool:
        """Whether a reference is left that leads out of the schema, or round in a circle."""
        return not self.keywords.keys().isdisjoint(REFERENCES)


class SchemaNodes:
    """The nodes of one schema and those that it refers to."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.top = documents.top
        self._types: dict[SchemaLocation, frozenset[str]] = {}
        self._depth = 0

    def resolved(self, location: SchemaLocation) -> SchemaNode | bool:
        """The node, through references and an ``allOf``, ``anyOf`` or ``oneOf`` of one member.

        A reference that leads nowhere here, or round in a circle, stays.
        """
        node: SchemaNode | None = None
        met: set[SchemaLocation] = set()
        while isinstance(location.schema, dict):
            met.add(location)
            own = SchemaNode.of(location)
            keyword, target = self._stands_for(own)
            if target is None or target in met:
                return own if node is None else node.over(own)
            rest = own.without(keyword)
            node = rest if node is None else node.over(rest)
            location = target
        if location.schema is False:
            return False
        return node if node is not None and node.keywords else True

    def _stands_for(self, node: SchemaNode) -> tuple[str, SchemaLocation | None]:
        for word in REFERENCES:
            if word in node.keywords:
                return word, self._documents.follow(node.origin, word)
        for keyword in _COMBINING:
            members = node.parts(keyword)
            if len(members) == 1 and isinstance(members[0].schema, dict):
                shared = members[0].schema.keys() & node.keywords.keys()
                return keyword, None if shared - {keyword} else members[0]
        return "", None

    def types(self, location: SchemaLocation) -> frozenset[str]:
        """The JSON types that a subschema admits; "number" includes "integer"."""
        if location not in self._types:
            # Until it is known: the subschema may refer to itself.
            self._types[location] = ALL_TYPES
            if self._depth < _DEPTH:
                self._depth += 1
                self._types[location] = self.types_of(self.resolved(location))
                self._depth -= 1
        return self._types[location]

    def types_of(self, node: SchemaNode | bool) -> frozenset[str]:
        """As ``types``, of a node."""
        if isinstance(node, bool):
            return ALL_TYPES if node else frozenset()
        found = node.types
        if node.branches:
            found &= frozenset().union(*map(self.types, node.branches))
        return found.intersection(*map(self.types, node.parts("allOf")))

    def meant_types(self, node: SchemaNode) -> frozenset[str]:
        """As ``types``; a node without a type that speaks of objects or lists means those."""
        found = self.types_of(node)
        hinted = {kind for keyword, kind in _HINTS.items() if keyword in node.keywords}
        return frozenset(hinted) if hinted and found == ALL_TYPES else found
