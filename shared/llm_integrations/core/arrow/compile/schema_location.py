"""Where a subschema stands, and where its references lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from llm_integrations.core.arrow.compile.dialects import Dialect, dialect_of
from llm_integrations.core.jsonschema.pointer import to_pointer
from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["ROOT", "Place", "Places"]

ROOT: Final = ""
"""The name of the schema itself among the documents."""


@dataclass(frozen=True)
class Place:
    """A subschema. Compared by where it stands.

    Attributes:
        document: ROOT, or the name of a referenced schema.
        steps: from the document's top to the subschema.
        schema: what stands there.
    """

    document: str
    steps: tuple[str | int, ...]
    schema: JsonSchema

    def __hash__(self) -> int:
        return hash((self.document, self.steps))

    @property
    def pointer(self) -> str:
        return to_pointer(self.steps)

    def below(self, *steps: str | int) -> Place:
        found: Any = self.schema
        for step in steps:
            found = found[step]
        return Place(self.document, (*self.steps, *steps), found)

    def __str__(self) -> str:
        return f"{self.document}#{self.pointer}"


class Places:
    """The documents that references can lead to."""

    def __init__(self, root: JsonSchema, named: Mapping[str, JsonSchema], dialect: Dialect) -> None:
        self.documents = {ROOT: root, **named}
        self.dialect = dialect
        self.root = Place(ROOT, (), root)

    def moves_base(self, place: Place) -> bool:
        """Whether references below mean something else than at the top of the document."""
        schema: Any = place.schema
        if not isinstance(schema, dict) or not place.steps:
            return False
        return isinstance(schema.get(self.dialect.id_keyword), str) or "$schema" in schema

    def follow(self, place: Place, reference: Any) -> Place | None:
        """Where a ``$ref`` leads; None if that takes more than a name and a JSON Pointer."""
        if not isinstance(reference, str):
            return None
        name, _, fragment = reference.partition("#")
        document = name or place.document
        if name and not self._is_plain(name, place.document):
            return None
        if fragment and not fragment.startswith("/"):
            return None
        return self._find(document, fragment)

    def _is_plain(self, name: str, here: str) -> bool:
        """Whether a name means that document, by our reading and by the engine's."""
        body = self.documents.get(name)
        top = self.documents[here]
        based = isinstance(top, dict) and self.dialect.id_keyword in top
        return (
            name != ROOT
            and isinstance(body, dict)
            and not based
            and dialect_of(body) is self.dialect
        )

    def _find(self, document: str, pointer: str) -> Place | None:
        place = Place(document, (), self.documents[document])
        for text in unquote(pointer).split("/")[1:]:
            key = text.replace("~1", "/").replace("~0", "~")
            found: Any = place.schema
            if self.moves_base(place):
                return None
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                place = place.below(int(key))
            elif isinstance(found, dict) and key in found:
                place = place.below(key)
            else:
                return None
        return place if isinstance(place.schema, dict | bool) else None
