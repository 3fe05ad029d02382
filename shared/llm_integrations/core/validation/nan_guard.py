"""A schema that judges as another one does, and refuses NaN where that one does not look.

``{"minimum": 0}`` admits NaN, and so does an undeclared property. Walking the data in Python to
find it costs several times the validation. So the engine is given a schema with the missing
``type``, ``items`` and ``additionalProperties`` added; where nothing is missing, nothing is added.

What is added refuses nothing but NaN and infinity. So on all other data every part of the schema
judges as before, whatever uses it (``not``, ``oneOf``, …); and each value stands below an added
part, or a ``type``, that has to accept it. Below an undeclared property a few levels are searched;
what is deeper goes the slow way (or, if the schema uses ``not`` and the like, 16 levels, and what
is deeper goes unseen).
"""

from __future__ import annotations

import json
from typing import Any, Final

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.model.fingerprint import JsonSchema
from llm_integrations.core.validation.plain import JSON_TYPES, levels

__all__ = ["NotGuardable", "nan_guard"]

_PREFIX: Final = "llm-integrations:json"
_ANY_JSON: Final = {"$ref": f"#/$defs/{_PREFIX}0"}
_NEAR: Final = 6
_FAR: Final = 16

_SHAPED: Final = frozenset(
    {"type", "properties", "patternProperties", "additionalProperties"}
    | {"items", "prefixItems", "additionalItems"}
)
_BEYOND: Final = frozenset(
    {"unevaluatedProperties", "unevaluatedItems", "$anchor", "$dynamicAnchor", "$recursiveAnchor"}
    | {"$dynamicRef", "$recursiveRef", "$vocabulary"}
)
_IN_THE_WAY: Final = frozenset({"if", "then", "else", "patternProperties", "additionalProperties"})
_REVERSING: Final = frozenset({"not", "oneOf", "if", "maxContains"})


class NotGuardable(Exception):
    """Internal: what would be added could change the meaning of this schema."""


def nan_guard(documents: Documents) -> JsonSchema | None:
    """The stricter equivalent of a schema that is not recursive; None if it looks everywhere.

    Raises:
        NotGuardable: additions could change its meaning (``unevaluatedProperties``), or are hard to
            place (references to other schemas, parts with an identity of their own).
    """
    if documents.root is False:
        return None
    _check_simple(documents)
    guard = _Guard({} if documents.root is True else json.loads(json.dumps(documents.root)))
    guard.add_to_root()
    if not guard.adds:
        return None
    # A refusal of data that is only deep costs a closer look, but must not turn into an approval.
    end = not _REVERSING.isdisjoint(documents.keywords)
    depth = _FAR if end else _NEAR
    guard.root.setdefault("$defs", {}).update(levels(_PREFIX, depth, end=end))
    return guard.root


def _check_simple(documents: Documents) -> None:
    if documents.named or not _BEYOND.isdisjoint(documents.keywords):
        raise NotGuardable
    for node in documents.objects():
        if node is not documents.root and isinstance(node.get("$id", node.get("id")), str):
            raise NotGuardable


class _Guard:
    """Adds to a schema in place."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.adds = False
        self._documents = Documents(root)
        draft = str(root.get("$schema"))
        self._has_const = "draft-04" not in draft
        self._has_if = "draft-04" not in draft and "draft-06" not in draft
        self._done: set[int] = set()

    def add_to_root(self) -> None:
        if self.root:
            self.add(self.root)
        else:
            self.add_here(self.root, repeated=False)

    def add(self, schema: Any, *, repeated: bool = False) -> Any:
        """The schema with additions, or what takes its place; ``repeated`` below an array."""
        if schema is True or schema == {}:
            self.adds = True
            return _ANY_JSON
        if not isinstance(schema, dict) or id(schema) in self._done:
            return schema
        self._done.add(id(schema))
        if "enum" in schema or ("const" in schema and self._has_const):
            return schema
        if "$ref" in schema:
            self.add_to_target(schema["$ref"], repeated=repeated)
        elif _SHAPED.isdisjoint(schema) and self.add_to_branches(schema, repeated=repeated):
            return schema
        else:
            self.add_here(schema, repeated=repeated)
        return schema

    def add_to_target(self, reference: str, *, repeated: bool) -> None:
        target = self._documents.resolve(reference, self._documents.top)
        if target is None or not isinstance(target.schema, dict) or not target.schema:
            raise NotGuardable
        self.add(target.schema, repeated=repeated)

    def add_to_branches(self, schema: dict[str, Any], *, repeated: bool) -> bool:
        """Whether the parts see to it: each branch, or one member of ``allOf`` for the others."""
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                branches = schema[keyword]
                schema[keyword] = [self.add(branch, repeated=repeated) for branch in branches]
                return True
        if "allOf" in schema:
            schema["allOf"][0] = self.add(schema["allOf"][0], repeated=repeated)
        return "allOf" in schema

    def add_here(self, schema: dict[str, Any], *, repeated: bool) -> None:
        if "type" not in schema:
            self.adds = True
            schema["type"] = list(JSON_TYPES)
        if "object" in schema["type"]:
            self.add_to_object(schema, repeated=repeated)
        if "array" in schema["type"]:
            self.add_to_array(schema)

    def add_to_object(self, schema: dict[str, Any], *, repeated: bool) -> None:
        for keyword in ("properties", "patternProperties"):
            parts = schema.get(keyword, {})
            parts.update({name: self.add(part) for name, part in parts.items()})
        if repeated and self.can_count(schema):
            # Of several required properties most objects have no others; then it is enough to
            # count, which is quicker than looking at each name.
            self.adds = True
            declared = dict.fromkeys(schema["properties"], True)
            schema["if"] = {"minProperties": len(set(schema["required"])) + 1}
            schema["then"] = {"properties": declared, "additionalProperties": _ANY_JSON}
        else:
            schema["additionalProperties"] = self.add(schema.get("additionalProperties", True))

    def can_count(self, schema: dict[str, Any]) -> bool:
        """Whether the number of properties shows that there is no undeclared one."""
        required = set(schema.get("required", ()))
        if len(required) < 2 or not self._has_if or not _IN_THE_WAY.isdisjoint(schema):
            return False
        return required.issubset(schema.get("properties", ()))

    def add_to_array(self, schema: dict[str, Any]) -> None:
        rest = "items"
        for keyword in ("prefixItems", "items"):
            if isinstance(schema.get(keyword), list):
                schema[keyword] = [self.add(item, repeated=True) for item in schema[keyword]]
                rest = "additionalItems" if keyword == "items" else rest
        schema[rest] = self.add(schema.get(rest, True), repeated=True)
