"""What a schema itself says about the values of a column."""

from __future__ import annotations

import json
from typing import Any, Final

from llm_integrations.core.model.fingerprint import JsonSchema

__all__ = ["named_values"]

_DEPTH: Final = 16


def named_values(body: JsonSchema, path: tuple[str, ...]) -> frozenset[str]:
    """The values (JSON text) that the schema names by enum or const at a place of the row.

    Args:
        path: the names that lead there, as ``("address", "country")``.
    """
    found: set[str] = set()
    _collect(body, body, path, found, 0)
    return frozenset(found)


def _collect(root: Any, node: Any, path: tuple[str, ...], found: set[str], depth: int) -> None:
    if not isinstance(node, dict) or depth > _DEPTH:
        return
    for part in _in_place(root, node):
        _collect(root, part, path, found, depth + 1)
    if path:
        below = node.get("properties")
        if isinstance(below, dict):
            _collect(root, below.get(path[0]), path[1:], found, depth + 1)
        return
    options = node.get("enum", [])
    for value in [*(options if isinstance(options, list) else []), *_const(node)]:
        found.add(json.dumps(value, ensure_ascii=False))


def _const(node: dict[str, Any]) -> list[Any]:
    return [node["const"]] if "const" in node else []


def _in_place(root: Any, node: dict[str, Any]) -> list[Any]:
    """The subschemas about the same place."""
    parts: list[Any] = []
    for keyword in ("allOf", "anyOf", "oneOf"):
        members = node.get(keyword)
        parts += members if isinstance(members, list) else []
    parts += [node.get("then"), node.get("else")]
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        parts.append(_target(root, reference[1:]))
    return parts


def _target(root: Any, pointer: str) -> Any:
    for token in pointer.split("/")[1:]:
        if not isinstance(root, dict):
            return None
        root = root.get(token.replace("~1", "/").replace("~0", "~"))
    return root
