"""A schema that judges as another one does, and refuses NaN wherever that one does not look.

``{"minimum": 0}`` admits NaN, and so does an undeclared property. Walking the data in Python to
find it costs several times the validation. So the engine is given a schema with the missing
``type``, ``items`` and ``additionalProperties`` added; where nothing is missing, nothing is added.

Sound because something is added only where a refusal cannot turn into an approval: outside of
``not``, ``oneOf``, ``if`` and their like, and in copies of definitions, whose originals such
keywords may use. On plain data up to SHALLOW levels deep the verdict is the same.
"""

from __future__ import annotations

from typing import Any, Final

from llm_integrations.core.fingerprint import JsonSchema
from llm_integrations.core.validation.documents import Documents
from llm_integrations.core.validation.plain import JSON_TYPES, shallow_definitions

__all__ = ["NotGuardable", "guarded"]

_PREFIX: Final = "llm-integrations:"
_PLAIN: Final = f"#/$defs/{_PREFIX}json0"
_HEAPS: Final = ("$defs", "definitions")
_OWN: Final = frozenset(
    {"type", "properties", "patternProperties", "additionalProperties"}
    | {"items", "prefixItems", "additionalItems"}
)
_DRAFTS: Final = {
    "http://json-schema.org/draft-04/schema": 4,
    "http://json-schema.org/draft-06/schema": 6,
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2019-09/schema": 2019,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}


class NotGuardable(Exception):
    """Internal: additions could change what this schema means."""


def guarded(documents: Documents) -> JsonSchema | None:
    """The stricter equivalent of a schema that is not recursive; None if it refuses NaN by itself.

    Raises:
        NotGuardable: for ``unevaluatedProperties`` and the like, references to other schemas, and
            parts with an identity of their own.
    """
    if documents.root is True:
        return {"$ref": _PLAIN, "$defs": shallow_definitions(f"{_PREFIX}json")}
    if documents.root is False:
        return None
    _check_simple(documents)
    guard = _Guard(documents.root)
    return guard.schema if guard.adds else None


def _check_simple(documents: Documents) -> None:
    if documents.named:
        raise NotGuardable
    for node, _ in documents.places():
        if not _BEYOND.isdisjoint(node):
            raise NotGuardable
        if node is not documents.root and isinstance(node.get("$id", node.get("id")), str):
            raise NotGuardable
        if isinstance(reference := node.get("$ref"), str):
            _definition(reference)


def _definition(reference: str) -> tuple[str, str]:
    """Which heap of definitions a reference points into, and which name there."""
    start, *path = reference.split("/")
    if start != "#" or len(path) != 2 or path[0] not in _HEAPS or "%" in reference:
        raise NotGuardable
    return path[0], path[1].replace("~1", "/").replace("~0", "~")


_BEYOND: Final = frozenset(
    {"unevaluatedProperties", "unevaluatedItems", "$anchor", "$dynamicAnchor", "$recursiveAnchor"}
    | {"$dynamicRef", "$recursiveRef", "$vocabulary"}
)


class _Guard:
    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.adds = False
        self.draft = _DRAFTS.get(str(root.get("$schema", "")).rstrip("#"), 2020)
        self.copies: dict[str, str] = {}
        self.defined: dict[str, Any] = {}
        self.schema: dict[str, Any] = {**self.add(root)}
        self.schema["$defs"] = {
            **root.get("$defs", {}),
            **self.defined,
            **shallow_definitions(f"{_PREFIX}json"),
        }

    def add(self, schema: Any) -> Any:
        """The schema itself with additions inside, or what takes its place."""
        if schema is True or schema == {}:
            self.adds = True
            return {"$ref": _PLAIN}
        if schema is False or "enum" in schema or ("const" in schema and self.draft > 4):
            return schema
        if "$ref" in schema:
            return {**schema, "$ref": self.copy(schema["$ref"])}
        if _OWN.isdisjoint(schema) and ("anyOf" in schema or "allOf" in schema):
            return self.add_to_parts(schema)
        return self.add_here(schema)

    def copy(self, reference: str) -> str:
        """A reference to a copy of a definition, with additions."""
        if reference not in self.copies:
            self.copies[reference] = name = f"{_PREFIX}{len(self.copies)}"
            heap, definition = _definition(reference)
            self.defined[name] = self.add(self.root[heap][definition])
        return f"#/$defs/{self.copies[reference]}"

    def add_to_parts(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Every branch of anyOf refuses, or one member of allOf does for the others."""
        if "anyOf" in schema:
            return {**schema, "anyOf": [self.add(branch) for branch in schema["anyOf"]]}
        first, *others = schema["allOf"]
        return {**schema, "allOf": [self.add(first), *others]}

    def add_here(self, schema: dict[str, Any]) -> dict[str, Any]:
        stricter = dict(schema)
        if "type" not in schema:
            self.adds = True
            stricter["type"] = list(JSON_TYPES)
        if "object" in stricter["type"]:
            self.add_to_object(stricter)
        if "array" in stricter["type"]:
            self.add_to_array(stricter)
        return stricter

    def add_to_object(self, schema: dict[str, Any]) -> None:
        for keyword in ("properties", "patternProperties"):
            if keyword in schema:
                parts = schema[keyword].items()
                schema[keyword] = {name: self.add(part) for name, part in parts}
        schema["additionalProperties"] = self.add(schema.get("additionalProperties", True))

    def add_to_array(self, schema: dict[str, Any]) -> None:
        if isinstance(schema.get("items"), list):
            schema["items"] = [self.add(item) for item in schema["items"]]
            schema["additionalItems"] = self.add(schema.get("additionalItems", True))
            return
        if "prefixItems" in schema:
            schema["prefixItems"] = [self.add(item) for item in schema["prefixItems"]]
        schema["items"] = self.add(schema.get("items", True))
