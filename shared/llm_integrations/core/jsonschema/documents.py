"""A schema together with the schemas that its references may reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Final

from llm_integrations.core.jsonschema.drafts import LATEST_DRAFT
from llm_integrations.core.jsonschema.location import ROOT, SchemaLocation
from llm_integrations.core.jsonschema.references import References
from llm_integrations.core.jsonschema.uri import BASE_URI, resolved
from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["BASE_URI", "REFERENCES", "Documents"]

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


@dataclass(frozen=True)
class Documents:
    """Attributes: the schema itself, and the referenced bodies by the name a ``$ref`` uses."""

    root: JsonSchema
    named: Mapping[str, JsonSchema] = field(default_factory=dict)

    @cached_property
    def top(self) -> SchemaLocation:
        """Where the schema itself stands."""
        return SchemaLocation.create(ROOT, (), self.root, BASE_URI, LATEST_DRAFT)

    def follow(self, location: SchemaLocation, keyword: str = "$ref") -> SchemaLocation | None:
        """What a reference means; None if that is not at hand, or not the same in every case.

        Args:
            keyword: ``$ref``, ``$dynamicRef`` or ``$recursiveRef``.
        """
        return self._references.follow(location, keyword)

    def resolve(self, reference: str, location: SchemaLocation) -> SchemaLocation | None:
        """What a ``$ref`` of this text would mean at a location."""
        return self._references.resolve(reference, location)

    def targets(self, location: SchemaLocation) -> list[SchemaLocation | None]:
        """What each reference of a subschema means; see ``follow``."""
        words = [word for word in REFERENCES if word in location.keywords]
        return [self.follow(location, word) for word in words]

    def top_of(self, document: str) -> SchemaLocation:
        """Where the document of this name stands."""
        return self._references.by_name[document]

    @cached_property
    def tops(self) -> dict[str, SchemaLocation]:
        """Where each document stands, by the URI that its first name resolves to.

        One that names no draft is read by the draft of the schema itself.
        """
        found = {BASE_URI: self.top}
        for name, body in self.named.items():
            uri, _ = resolved(BASE_URI, name) or (name, "")
            found.setdefault(uri, SchemaLocation.create(name, (), body, uri, self.top.draft))
        return found

    @cached_property
    def resources(self) -> dict[str, JsonSchema]:
        """The named bodies under each URI that their name can resolve to in these documents.

        A name stands for itself, so it is found from under every ``$id``.
        """
        if not self.named:
            return {}
        found: dict[str, JsonSchema] = {}
        for base in self._references.bases:
            for name, body in self.named.items():
                uri, _ = resolved(base, name) or (name, "")
                found.setdefault(uri, body)
        return found

    @cached_property
    def declared_resources(self) -> list[tuple[str, JsonSchema]]:
        """The same, each naming the draft that it is read by: an engine knows no other."""
        dialect = self.root.get("$schema") if isinstance(self.root, dict) else None
        if dialect is None:
            return list(self.resources.items())
        return [
            (uri, {"$schema": dialect, **body} if isinstance(body, dict) else body)
            for uri, body in self.resources.items()
        ]

    @cached_property
    def _references(self) -> References:
        return References(self.tops)

    @cached_property
    def nesting(self) -> int:
        """How deep the deepest of the documents is nested as JSON."""
        return len(self.levels)

    @cached_property
    def keywords(self) -> frozenset[str]:
        """Every key of an object in the documents: the keywords in use, and other names."""
        return frozenset().union(*chain.from_iterable(self.levels))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every property name, and every text in a list (names required, types, enums)."""
        words = set(self.keywords)
        for node in chain.from_iterable(self.levels):
            for listed in node.values():
                if isinstance(listed, list):
                    words.update(item for item in listed if isinstance(item, str))
        return frozenset(words)

    @cached_property
    def levels(self) -> list[list[dict[str, Any]]]:
        """The JSON objects in the documents, by how deep they are nested as JSON."""
        return list(self._levels())

    def objects(self) -> Iterator[dict[str, Any]]:
        """Every JSON object in the documents, schema or not; found as they are asked for."""
        return chain.from_iterable(self._levels())

    def _levels(self) -> Iterator[list[dict[str, Any]]]:
        level: list[Any] = [self.root, *self.named.values()]
        while level:
            found: list[dict[str, Any]] = []
            below: list[Any] = []
            for node in level:
                if isinstance(node, dict):
                    found.append(node)
                    below += node.values()
                elif isinstance(node, list):
                    below += node
            yield found
            level = below
