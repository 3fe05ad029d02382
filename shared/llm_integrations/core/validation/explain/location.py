"""A subschema where it stands, and what its references mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.jsonschema.documents import BASE_URI, Documents, base_of
from llm_integrations.core.jsonschema.pointer import to_pointer

if TYPE_CHECKING:
    from llm_integrations.core.jsonschema.drafts import Draft

__all__ = ["SchemaGraph", "SchemaLocation"]

_REFERRING: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies"})


@dataclass(frozen=True, slots=True)
class SchemaLocation:
    """A subschema. Compared by where it stands.

    Attributes:
        document: empty for the schema itself, or the name of a referenced schema.
        steps: from the document's top to the subschema.
        schema: what stands there.
        base: the URI that its references are relative to.
        draft: the draft that it is read by.
    """

    document: str
    steps: tuple[str | int, ...]
    schema: Any = field(compare=False)
    base: str = field(compare=False)
    draft: Draft = field(compare=False)

    @property
    def pointer(self) -> str:
        """The JSON Pointer in its document."""
        return to_pointer(self.steps)

    @property
    def said(self) -> dict[str, Any]:
        """The keywords that count here."""
        if not isinstance(self.schema, dict):
            return {}
        if self.draft.ref_hides_siblings and "$ref" in self.schema:
            return {"$ref": self.schema["$ref"]}
        return {word: self.schema[word] for word in self.schema if word in self.draft.keywords}

    def below(self, *steps: str | int) -> SchemaLocation:
        """The subschema at the end of some steps."""
        schema = self.schema
        for step in steps:
            schema = schema[step]
        return _entered(self.document, (*self.steps, *steps), schema, self.base, self.draft)

    def parts(self, keyword: str) -> list[SchemaLocation]:
        """The subschemas that a keyword holds: one, or each of a list or of a map."""
        value = self.schema.get(keyword)
        if isinstance(value, dict) and keyword in _MAPS:
            names = (name for name, part in value.items() if isinstance(part, dict | bool))
            return [self.below(keyword, name) for name in names]
        if isinstance(value, list):
            return [self.below(keyword, index) for index in range(len(value))]
        return [self.below(keyword)] if isinstance(value, dict | bool) else []


def _entered(
    document: str, steps: tuple[str | int, ...], schema: Any, base: str, draft: Draft
) -> SchemaLocation:
    from llm_integrations.core.evolution.model.limits import Undecidable
    from llm_integrations.core.jsonschema.drafts import draft_of

    if isinstance(schema, dict):
        base = base_of(schema, base)
        with suppress(Undecidable):
            draft = draft_of(schema, draft)
    return SchemaLocation(document, steps, schema, base, draft)


class SchemaGraph:
    """The subschemas of some documents, and which refers to which."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    @cached_property
    def top(self) -> SchemaLocation:
        """Where the schema itself stands."""
        return self._tops[""]

    def targets(self, location: SchemaLocation) -> list[SchemaLocation | None]:
        """What each reference of a subschema means; None if that is not known."""
        said = location.said
        return [self.follow(location, word) for word in _REFERRING if word in said]

    def follow(self, location: SchemaLocation, keyword: str) -> SchemaLocation | None:
        """What a reference means; None if that is not at hand, or not the same in every case."""
        reference = location.schema.get(keyword)
        if not isinstance(reference, str):
            return None
        if keyword == "$dynamicRef" and self._dynamic.count(reference.rpartition("#")[2]) > 1:
            return None
        if keyword == "$recursiveRef" and self._dynamic.count(True) > 1:
            return None
        found = self._documents.resolve(reference, location.base)
        if found is None or not isinstance(found[0], dict):
            return None
        return self._by_id.get(id(found[0]))

    @cached_property
    def _dynamic(self) -> list[Any]:
        places = (node for node, _ in self._documents.places())
        return [n[w] for n in places for w in ("$dynamicAnchor", "$recursiveAnchor") if w in n]

    @cached_property
    def _tops(self) -> dict[str, SchemaLocation]:
        # The package first: it and the table of drafts import each other.
        from llm_integrations.core.evolution.model.limits import Undecidable  # noqa: F401
        from llm_integrations.core.jsonschema.drafts import LATEST_DRAFT

        bodies = {"": self._documents.root, **self._documents.named}
        uris = {id(body): uri for uri, body in self._documents.resources.items()}
        return {
            name: _entered(name, (), body, uris.get(id(body), BASE_URI), LATEST_DRAFT)
            for name, body in bodies.items()
        }

    @cached_property
    def _by_id(self) -> dict[int, SchemaLocation]:
        return {id(found.schema): found for top in self._tops.values() for found in _within(top)}


def _within(top: SchemaLocation) -> Iterator[SchemaLocation]:
    """Every JSON object of a document, schema or not."""
    waiting = [top]
    while waiting:
        location = waiting.pop()
        if isinstance(location.schema, dict):
            yield location
            waiting += [location.below(key) for key in location.schema]
        elif isinstance(location.schema, list):
            waiting += [location.below(index) for index in range(len(location.schema))]
