"""Finding what a ``$ref`` means: inside the schema, or in the documents given with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.model.source import Source
from llm_integrations.core.jsonschema.documents import BASE_URI, Documents
from llm_integrations.core.jsonschema.drafts import LATEST_DRAFT, Draft, draft_of

__all__ = ["Locator", "Place", "escape_token", "subschemas"]

_SINGLE: Final = [
    "additionalProperties",
    "additionalItems",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "items",
]
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_MAPS: Final = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "definitions",
    "$defs",
]


def escape_token(token: str) -> str:
    """One token of a JSON Pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def subschemas(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas directly inside of one, each with its JSON Pointer from there."""
    for keyword in _SINGLE:
        if isinstance(schema.get(keyword), dict | bool):
            yield f"/{keyword}", schema[keyword]
    for keyword in _LISTS:
        if isinstance(schema.get(keyword), list):
            yield from ((f"/{keyword}/{i}", item) for i, item in enumerate(schema[keyword]))
    for keyword in _MAPS:
        if isinstance(schema.get(keyword), dict):
            for name, item in schema[keyword].items():
                if isinstance(item, dict | bool):
                    yield f"/{keyword}/{escape_token(name)}", item


@dataclass(frozen=True, slots=True)
class Place:
    """A schema where it is written.

    Attributes:
        value: the schema as it was given.
        draft: the draft that it is read by.
        base: the URI that its references are relative to.
        document: the name of its document; empty for the schema itself.
        pointer: its JSON Pointer in that document.
    """

    value: Any
    draft: Draft
    base: str = ""
    document: str = ""
    pointer: str = ""

    def at(self, suffix: str, value: Any) -> Place:
        """The place of a subschema; a draft or base URI of its own takes effect."""
        pointer = self.pointer + suffix
        return _entered(Place(value, self.draft, self.base, self.document, pointer))


def _entered(place: Place) -> Place:
    schema = place.value
    if not isinstance(schema, dict):
        return place
    identifier = schema.get(place.draft.id_keyword)
    hidden = place.draft.ref_hides_siblings and "$ref" in schema
    if not isinstance(identifier, str) or hidden or identifier.startswith("#"):
        return place
    draft = draft_of(schema, place.draft)
    return replace(place, base=urldefrag(urljoin(place.base, identifier)).url, draft=draft)


class Locator:
    """Resolves the references of one Source."""

    def __init__(self, source: Source) -> None:
        self.root = _entered(Place(source.body, draft_of(source.body), BASE_URI))
        self._source = source
        self._documents = {BASE_URI: self.root, self.root.base: self.root}
        self._anchors: dict[tuple[str, str], Place] = {}
        self._dynamic: dict[str, list[Place]] = {}
        self._indexed = False

    def _index_all(self) -> None:
        """Note all ids and anchors; most schemas have none, so it waits until one is asked for."""
        if self._indexed:
            return
        self._indexed = True
        source = self._source
        self._index(self.root)
        if not source.resources:
            return
        names = {id(body): name for name, body in source.resources.items()}
        # The same URIs as a Validator would find them under.
        for uri, body in Documents(source.body, source.resources).resources.items():
            draft = draft_of(body, LATEST_DRAFT)
            place = _entered(Place(body, draft, base=uri, document=names[id(body)]))
            self._documents.setdefault(uri, place)
            self._index(place)

    def resolve(self, reference: str, base: str) -> Place:
        """The place that a ``$ref`` names. Undecidable when there is none."""
        uri, fragment = urldefrag(urljoin(base, reference))
        if uri not in self._documents:
            self._index_all()
        document = self._documents.get(uri)
        if document is None:
            raise Undecidable("a $ref names a document that is not at hand")
        if fragment and not fragment.startswith("/"):
            return self._anchor(uri, unquote(fragment))
        return _walk(document, unquote(fragment))

    def resolve_dynamic(self, reference: str, base: str) -> Place:
        """What ``$dynamicRef`` names, if every evaluation finds the same."""
        self._index_all()
        name = urldefrag(reference).fragment
        found = self._dynamic.get(name, [])
        if len(found) > 1:
            raise Undecidable(f"$dynamicAnchor {name!r} is given more than once")
        return self.resolve(reference, base)

    def resolve_recursive(self, base: str) -> Place:
        """What ``$recursiveRef: "#"`` names, if every evaluation finds the same."""
        self._index_all()
        if len(self._dynamic.get("#", ())) > 1:
            raise Undecidable("$recursiveAnchor is given more than once")
        return self.resolve("#", base)

    def _anchor(self, uri: str, name: str) -> Place:
        self._index_all()
        place = self._anchors.get((uri, name))
        if place is None:
            raise Undecidable("a $ref names an anchor that does not exist")
        return place

    def _index(self, start: Place) -> None:
        stack = [start]
        while stack:
            place = stack.pop()
            if not isinstance(place.value, dict):
                continue
            self._note(place)
            stack.extend(place.at(suffix, value) for suffix, value in subschemas(place.value))

    def _note(self, place: Place) -> None:
        schema = place.value
        if isinstance(schema.get(place.draft.id_keyword), str):
            self._documents.setdefault(place.base, place)
            self._note_anchor(place, schema[place.draft.id_keyword].rpartition("#")[2], "#")
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(keyword), str):
                self._anchors[place.base, schema[keyword]] = place
        if isinstance(schema.get("$dynamicAnchor"), str):
            self._dynamic.setdefault(schema["$dynamicAnchor"], []).append(place)
        if schema.get("$recursiveAnchor") is True:
            self._dynamic.setdefault("#", []).append(place)

    def _note_anchor(self, place: Place, name: str, mark: str) -> None:
        # Up to draft 7 an id that is only a fragment names the schema, as $anchor does later.
        if place.draft.number <= 7 and mark in place.value[place.draft.id_keyword] and name:
            self._anchors[place.base, name] = place


def _walk(place: Place, pointer: str) -> Place:
    for raw in pointer.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        place = place.at(f"/{raw}", _child(place.value, token))
    return place


def _child(value: Any, token: str) -> Any:
    if isinstance(value, dict) and token in value:
        return value[token]
    if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
        return value[int(token)]
    raise Undecidable("a $ref names a place that does not exist")
