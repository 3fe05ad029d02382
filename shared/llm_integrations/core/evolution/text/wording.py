"""Saying a change in words: what it is, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from llm_integrations.core.evolution.model.change import Change, ChangeKind, Direction
from llm_integrations.core.jsonschema.pointer import from_pointer

__all__ = ["consequence", "describe", "quote", "shape"]

_LONGEST: Final = 60


def quote(value: Any) -> str:
    """A name or value in backquotes, on one line and not too long, safe inside of Markdown."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    fence = "`"
    while fence in text:
        fence += "`"
    padded = f" {text} " if len(fence) > 1 or text != text.strip() or not text else text
    return f"{fence}{padded}{fence}"


def shape(schema: Any) -> str:
    """A schema in a few words: its type, its reference, its values."""
    if schema is True or schema == {}:
        return "anything"
    if not isinstance(schema, dict):
        return "nothing"
    if "const" in schema:
        return f"always {quote(_json(schema['const']))}"
    if "enum" in schema:
        return "one of " + ", ".join(quote(_json(value)) for value in schema["enum"][:4])
    if "$ref" in schema:
        return quote(str(schema["$ref"]).rpartition("/")[2])
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return " or ".join(map(str, names))
    combined = next((k for k in ("oneOf", "anyOf", "allOf") if k in schema), None)
    return f"{combined} of {len(schema[combined])} schemas" if combined else "any type"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def describe(change: Change) -> str:
    """What happened, as one sentence without a full stop."""
    writer = _SENTENCES.get(change.kind)
    return writer(change) if writer is not None else f"{change.kind} ({change.keyword})"


def _property_added(change: Change) -> str:
    origin = f", perhaps {quote(change.rename)} under a new name" if change.rename else ""
    return f"property {quote(change.keyword)} ({shape(change.new)}) was added{origin}"


def _property_removed(change: Change) -> str:
    target = f", perhaps renamed to {quote(change.rename)}" if change.rename else ""
    return f"property {quote(change.keyword)} ({shape(change.old)}) was removed{target}"


def _made_required(change: Change) -> str:
    return f"{quote(change.new)} is required now"


def _made_optional(change: Change) -> str:
    return f"{quote(change.old)} is no longer required"


def _types(value: Any) -> str:
    if value is None:
        return "any type"
    return " or ".join(value) if isinstance(value, list) else str(value)


def _type_changed(change: Change) -> str:
    if change.old == change.new:
        return f"{_types(change.old)} takes 1.0 for a whole number differently"
    return f"type {_types(change.old)} became {_types(change.new)}"


def _value_added(change: Change) -> str:
    return f"value {quote(_json(change.new))} is allowed now"


def _value_removed(change: Change) -> str:
    return f"value {quote(_json(change.old))} is no longer allowed"


def _constant(change: Change) -> str:
    return f"the only value {quote(_json(change.old))} became {quote(_json(change.new))}"


def _keyword(change: Change) -> str:
    name = quote(change.keyword.removeprefix("!"))
    if change.old is None:
        return f"{name} was set to {quote(_json(change.new))}"
    if change.new is None:
        return f"{name} {quote(_json(change.old))} was dropped"
    return f"{name} went from {quote(_json(change.old))} to {quote(_json(change.new))}"


def _opened(change: Change) -> str:
    what = "items" if "tems" in change.keyword else "properties"
    return f"further {what} are allowed now"


def _closed(change: Change) -> str:
    what = "items" if "tems" in change.keyword else "properties"
    limits = "refused" if change.new is False else "restricted"
    return f"further {what} are {limits} now"


def _pattern_property(change: Change) -> str:
    pattern = quote(from_pointer(change.path)[-1])
    verb = "have" if change.new is not None else "no longer have"
    return f"properties that match {pattern} {verb} a schema of their own"


def _dependency(change: Change) -> str:
    name = quote(from_pointer(change.path)[-1])
    if change.old is None:
        return f"{name} now brings further demands with it"
    verb = "no longer brings" if change.new is None else "brings other"
    return f"{name} {verb} demands with it"


def _item(change: Change) -> str:
    index = int(change.path.rpartition("/")[2]) if change.path[-1:].isdigit() else 0
    verb = "has a schema of its own now" if change.old is None else "has no schema of its own"
    return f"the item at index {index} {verb}"


def _combination(change: Change) -> str:
    if isinstance(change.old, list) or isinstance(change.new, list):
        verb = "was dropped" if change.new is None else "was added"
        return f"{quote(change.keyword)} {verb}"
    if change.new is None:
        return f"{quote(change.keyword)} lost a branch ({shape(change.old)})"
    return f"{quote(change.keyword)} has a new branch ({shape(change.new)})"


def _definition(change: Change) -> str:
    return f"definition {quote(change.keyword)}: {change.kind.rpartition(' ')[2]}"


_SENTENCES: Final[dict[ChangeKind, Callable[[Change], str]]] = {
    ChangeKind.PROPERTY_ADDED: _property_added,
    ChangeKind.PROPERTY_REMOVED: _property_removed,
    ChangeKind.MADE_REQUIRED: _made_required,
    ChangeKind.MADE_OPTIONAL: _made_optional,
    ChangeKind.TYPE_WIDENED: _type_changed,
    ChangeKind.TYPE_NARROWED: _type_changed,
    ChangeKind.TYPE_CHANGED: _type_changed,
    ChangeKind.ENUM_VALUE_ADDED: _value_added,
    ChangeKind.ENUM_VALUE_REMOVED: _value_removed,
    ChangeKind.CONST_CHANGED: _constant,
    ChangeKind.CONTENT_OPENED: _opened,
    ChangeKind.CONTENT_CLOSED: _closed,
    ChangeKind.PATTERN_PROPERTY_ADDED: _pattern_property,
    ChangeKind.PATTERN_PROPERTY_REMOVED: _pattern_property,
    ChangeKind.DEPENDENCY_ADDED: _dependency,
    ChangeKind.DEPENDENCY_REMOVED: _dependency,
    ChangeKind.DEPENDENCY_CHANGED: _dependency,
    ChangeKind.ITEM_ADDED: _item,
    ChangeKind.ITEM_REMOVED: _item,
    ChangeKind.COMBINATION_ADDED: _combination,
    ChangeKind.COMBINATION_REMOVED: _combination,
    ChangeKind.DEFINITION_ADDED: _definition,
    ChangeKind.DEFINITION_REMOVED: _definition,
    ChangeKind.DEFINITION_CHANGED: _definition,
    **{
        kind: _keyword
        for kind in ChangeKind
        if kind.split()[0] in ("bound", "pattern", "format", "documentation", "reference", "enum")
        and "property" not in kind
        and "value" not in kind
    },
    ChangeKind.CONTAINS_CHANGED: _keyword,
    ChangeKind.DIALECT_CHANGED: _keyword,
}


def consequence(change: Change, direction: Direction) -> str:
    """A change together with whom it breaks."""
    whom = (
        "old data that new readers refuse"
        if direction == "backward"
        else "new data that old readers refuse"
    )
    return f"{describe(change)}: there is {whom}"
