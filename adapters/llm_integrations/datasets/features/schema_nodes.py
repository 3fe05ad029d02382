"""Reading a JSON Schema place by place: references followed, types inferred."""

from __future__ import annotations

from typing import Any, Final

from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["TYPES", "SchemaNodes"]

TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_DEPTH: Final = 32
_HINTS: Final = {
    "properties": "object",
    "required": "object",
    "patternProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
}


class SchemaNodes:
    """One schema; its nodes as plain dicts without ``$ref``."""

    def __init__(self, body: JsonSchema) -> None:
        self._root = body

    @property
    def root(self) -> dict[str, Any] | bool:
        return self.resolved(self._root)

    def resolved(self, node: Any) -> dict[str, Any] | bool:
        """The node, through ``$ref`` and an ``allOf``, ``anyOf`` or ``oneOf`` of one member.

        A reference that leads nowhere here, or round in a circle, is a node of its own.
        """
        for _ in range(_DEPTH):
            target = self._target(node)
            if target is None:
                break
            node = target
        return node if isinstance(node, dict | bool) else {}

    def _target(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return None
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            found = self._at(reference[1:])
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return found if not rest or not isinstance(found, dict) else {**found, **rest}
        for keyword in ("allOf", "anyOf", "oneOf"):
            members = node.get(keyword)
            if isinstance(members, list) and len(members) == 1 and isinstance(members[0], dict):
                rest = {key: value for key, value in node.items() if key != keyword}
                return {**members[0], **rest} if not rest.keys() & members[0].keys() else None
        return None

    def _at(self, pointer: str) -> Any:
        found: Any = self._root
        for token in pointer.split("/")[1:]:
            name = token.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict):
                found = found.get(name)
            else:
                return None
        return found

    def branches(self, node: dict[str, Any]) -> list[Any]:
        """The members of anyOf or oneOf; empty without one."""
        members = node.get("anyOf") or node.get("oneOf")
        return list(members) if isinstance(members, list) else []

    def types(self, node: Any, depth: int = 0) -> frozenset[str]:
        """The JSON types that a node admits; "number" includes "integer"."""
        node = self.resolved(node)
        if node is False:
            return frozenset()
        if node is True or depth > _DEPTH:
            return frozenset(TYPES)
        found = frozenset(TYPES)
        declared = node.get("type")
        if declared is not None:
            found &= _with_integers([declared] if isinstance(declared, str) else declared)
        if "const" in node or "enum" in node:
            found &= {_type_of(value) for value in node.get("enum", [node.get("const")])}
        members = self.branches(node)
        if members:
            below = (self.types(member, depth + 1) for member in members)
            found &= frozenset().union(*below)
        for member in node.get("allOf", []):
            found &= self.types(member, depth + 1)
        return found

    def meant_type(self, node: dict[str, Any]) -> frozenset[str]:
        """As ``types``; a node without a type that speaks of objects or lists means those."""
        found = self.types(node)
        if found == frozenset(TYPES):
            hinted = {kind for keyword, kind in _HINTS.items() if keyword in node}
            return frozenset(hinted) if hinted else found
        return found


def _with_integers(declared: Any) -> frozenset[str]:
    names = {name for name in declared if isinstance(name, str)}
    return frozenset(names | ({"integer"} if "number" in names else set()))


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return "null" if value is None else names.get(type(value), "object")
