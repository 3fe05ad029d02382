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

_MAX_DEPTH: Final = 64
"""Levels of unions within unions; a deeper one counts as admitting every type."""

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
    """A subschema with the keywords of the ones that it stands for: references, unions of one.

    Attributes:
        origin: the location of the last subschema in that chain.
        keywords: of the whole chain; where two have a keyword, the one that refers wins.
        owners: for each keyword, the subschema that it was taken from.
        properties: the subschema of each declared property.
        types: the JSON types that these keywords admit.
    """

    origin: SchemaLocation
    keywords: Mapping[str, Any]
    owners: Mapping[str, SchemaLocation]
    properties: Mapping[str, SchemaLocation]
    types: frozenset[str]

    @classmethod
    def of(cls, location: SchemaLocation) -> SchemaNode:
        """A node of a subschema's own keywords: those in force, and annotations."""
        keywords = location.keywords
        notes = location.schema.keys() - CONSTRAINING
        if not (location.draft.ref_hides_siblings and "$ref" in keywords):
            keywords |= {word: location.schema[word] for word in notes}
        below = {
            name: location.below("properties", name) for name in keywords.get("properties", ())
        }
        return cls(
            location, keywords, dict.fromkeys(keywords, location), below, stated_types(keywords)
        )

    def over(self, other: SchemaNode) -> SchemaNode:
        """This node's keywords over those of ``other``, which it stands for."""
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
        kept = {word: value for word, value in self.keywords.items() if word not in keywords}
        return SchemaNode(self.origin, kept, self.owners, self.properties, self.types)

    def parts(self, keyword: str) -> list[SchemaLocation]:
        """The subschemas that a keyword holds."""
        return self.owners[keyword].parts(keyword) if keyword in self.keywords else []

    @property
    def branches(self) -> list[SchemaLocation]:
        """The members of anyOf or oneOf; empty without one."""
        return self.parts("anyOf") or self.parts("oneOf")

    @property
    def unknown_reference(self) -> bool:
        """Whether a reference is left over: it leads out of the schema, or round in a circle."""
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
            # Any type, until the answer is known: the subschema may refer to itself.
            self._types[location] = ALL_TYPES
            if self._depth < _MAX_DEPTH:
                self._depth += 1
                self._types[location] = self.types_of(self.resolved(location))
                self._depth -= 1
        return self._types[location]

    def types_of(self, node: SchemaNode | bool) -> frozenset[str]:
        """The JSON types that a node admits."""
        if isinstance(node, bool):
            return ALL_TYPES if node else frozenset()
        found = node.types
        if node.branches:
            found &= frozenset().union(*map(self.types, node.branches))
        return found.intersection(*map(self.types, node.parts("allOf")))

    def meant_types(self, node: SchemaNode) -> frozenset[str]:
        """As ``types_of``; ``properties`` or ``items`` without ``type`` mean object or array."""
        found = self.types_of(node)
        hinted = {kind for keyword, kind in _HINTS.items() if keyword in node.keywords}
        return frozenset(hinted) if hinted and found == ALL_TYPES else found
