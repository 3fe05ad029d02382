"""What a reference means: by pointer, by anchor, by id, or by the name of another document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar
from urllib.parse import unquote

from llm_integrations.core.jsonschema.location import ROOT, SchemaLocation
from llm_integrations.core.jsonschema.pointer import from_pointer
from llm_integrations.core.jsonschema.uri import BASE_URI, resolved

__all__ = ["References"]

_RECURSIVE = "$recursiveAnchor"
K = TypeVar("K", bound=Hashable)


@dataclass
class _Index:
    """Every id and anchor of some documents; None for a name that two subschemas have."""

    resources: dict[str, SchemaLocation | None] = field(default_factory=dict)
    anchors: dict[tuple[str, str], SchemaLocation | None] = field(default_factory=dict)
    dynamic: Counter[str] = field(default_factory=Counter)

    def note(self, location: SchemaLocation) -> None:
        schema, draft = location.schema, location.draft
        if not isinstance(schema, dict):
            return
        if location.own_id is not None:
            _enter(self.resources, location.base, location)
        names = [schema[word] for word in draft.anchors if isinstance(schema.get(word), str)]
        identifier = schema.get(draft.id_keyword)
        if not draft.anchors and isinstance(identifier, str) and identifier.startswith("#"):
            names.append(identifier[1:])
        for name in names:
            _enter(self.anchors, (location.base, name), location)
        if "$dynamicAnchor" in draft.anchors and "$dynamicAnchor" in schema:
            self.dynamic[str(schema["$dynamicAnchor"])] += 1
        if schema.get(_RECURSIVE) is True:
            self.dynamic[_RECURSIVE] += 1


def _enter(table: dict[K, SchemaLocation | None], key: K, location: SchemaLocation) -> None:
    table[key] = location if table.get(key, location) == location else None


class References:
    """Resolves the references of some documents.

    Args:
        tops: where each document stands, by the URI of its name.
    """

    def __init__(self, tops: Mapping[str, SchemaLocation]) -> None:
        self._by_uri = tops
        self.by_name = {top.document: top for top in tops.values()}
        self._known: dict[tuple[str, str, str], SchemaLocation | None] = {}

    def follow(self, location: SchemaLocation, keyword: str) -> SchemaLocation | None:
        """See ``Documents.follow``."""
        reference = location.schema.get(keyword)
        if not isinstance(reference, str):
            return None
        if keyword == "$recursiveRef":
            return self._unless_many(_RECURSIVE, location, "#")
        if keyword == "$dynamicRef":
            return self._unless_many(reference.rpartition("#")[2], location, reference)
        return self.resolve(reference, location)

    @cached_property
    def bases(self) -> list[str]:
        """Every base URI in the documents."""
        return [BASE_URI, *self._index.resources]

    @cached_property
    def _index(self) -> _Index:
        index = _Index()
        for top in self.by_name.values():
            if not self._is_root_again(top):
                for location in top.walk():
                    index.note(location)
        return index

    def _is_root_again(self, top: SchemaLocation) -> bool:
        """Whether it has the id of the schema itself, which then is what the id means.

        References that form a cycle lead back to the schema, or to an earlier version of it.
        """
        root = self.by_name.get(ROOT)
        if root is None or top is root or top.own_id is None or root.own_id is None:
            return False
        return top.base == root.base

    def _unless_many(
        self, anchor: str, location: SchemaLocation, reference: str
    ) -> SchemaLocation | None:
        """What the reference means if every evaluation finds the same."""
        return None if self._index.dynamic[anchor] > 1 else self.resolve(reference, location)

    def resolve(self, reference: str, location: SchemaLocation) -> SchemaLocation | None:
        """See ``Documents.resolve``."""
        key = location.document, location.base, reference
        if key not in self._known:
            self._known[key] = self._resolved(reference, location)
        return self._known[key]

    def _resolved(self, reference: str, location: SchemaLocation) -> SchemaLocation | None:
        target = resolved(location.base, reference)
        if target is None:
            return None
        uri, fragment = target
        resource = self._resource(location, uri, reference)
        if resource is None:
            return None
        name = unquote(fragment)
        if name and not name.startswith("/"):
            return self._index.anchors.get((resource.base, name))
        return resource.at(from_pointer(name))

    def _resource(
        self, location: SchemaLocation, uri: str, reference: str
    ) -> SchemaLocation | None:
        own = self.by_name[location.document]
        # Most references stay within their document, and most documents have no id inside.
        if uri == own.base:
            return own
        if not reference:
            return None  # Engines differ: it is the document, or what has the nearest id.
        if uri in self._index.resources:
            return self._index.resources[uri]
        if reference.startswith("#"):
            return None
        # A name stands for itself, so it is found from under every id.
        named = resolved(BASE_URI, reference)
        return self._by_uri.get(uri) or (self._by_uri.get(named[0]) if named else None)
