"""A registered schema as one document that a model can be asked for: named, and whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llm_integrations.core.validation import Validator

__all__ = ["VALUE", "Request", "request_for"]

VALUE: Final = "value"
"""The property that holds an answer that is no object; models are asked for objects."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_OF_DOCUMENTS: Final = ("$schema", "$id", "id")


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked for.

    Attributes:
        schema: one document, with a title that is a name of a tool.
        is_wrapped: whether the answer stands in the property ``value`` of it.
    """

    schema: dict[str, Any]
    is_wrapped: bool


def request_for(validator: Validator) -> Request:
    """The schema of a validator with those that it refers to inside."""
    body = validator.body
    name = body.get("title") if isinstance(body, dict) else None
    keys = {ref: _name(ref) for ref in validator.resources}
    inside = {
        keys[ref]: _moved(_plain(document), keys, f"#/$defs/{keys[ref]}")
        for ref, document in validator.resources.items()
    }
    document = _moved(_plain(body), keys, "#")
    definitions = {**(document.pop("$defs", None) or {}), **inside}
    top = _top(document, definitions)
    is_wrapped = top is None
    wrapped = {"properties": {VALUE: document}, "required": [VALUE]}
    schema = {"type": "object", **(wrapped if top is None else top)}
    schema.setdefault("properties", {})
    if definitions:
        schema["$defs"] = definitions
    schema["title"] = _name(str(name or validator.subject or "answer"))
    return Request(schema, is_wrapped)


def _plain(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        return {} if document else {"not": {}}
    return {key: value for key, value in document.items() if key not in _OF_DOCUMENTS}


def _top(document: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any] | None:
    """The document as an object's schema; None if it speaks of something else."""
    target = document.get("$ref")
    if isinstance(target, str) and target.startswith("#/$defs/"):
        named = definitions.get(target.removeprefix("#/$defs/"))
        if isinstance(named, dict):
            rest = {key: value for key, value in document.items() if key != "$ref"}
            return _top({**named, **rest}, {})
    is_object = document.get("type", "object") == "object"
    unions = {"anyOf", "oneOf", "$ref", "const", "enum", "not"} & document.keys()
    return dict(document) if is_object and not unions else None


def _moved(value: Any, keys: Mapping[str, str], own: str) -> Any:
    """A document with its references as they are from within the whole."""
    if isinstance(value, list):
        return [_moved(item, keys, own) for item in value]
    if not isinstance(value, dict):
        return value
    moved = {key: _moved(item, keys, own) for key, item in value.items()}
    target = value.get("$ref")
    if isinstance(target, str):
        document, _, pointer = target.partition("#")
        if not document:
            moved["$ref"] = f"{own}{pointer}" if own != "#" else target
        elif document in keys:
            moved["$ref"] = f"#/$defs/{keys[document]}{pointer}"
    return moved


def _name(text: str) -> str:
    return _NOT_IN_NAMES.sub("_", text).strip("_")[:64] or "answer"
