"""Saying a change in words: what it is, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Protocol

from llm_integrations.core.evolution.model.kinds import ChangeKind, Direction
from llm_integrations.core.jsonschema.pointer import from_pointer

__all__ = ["REFUSED", "Described", "consequence", "describe", "fence_around", "quote", "shape"]

_LONGEST: Final = 60


class Described(Protocol):
    """The attributes of a ``Change`` that its description is made of."""

    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> ChangeKind: ...
    @property
    def old(self) -> Any: ...
    @property
    def new(self) -> Any: ...
    @property
    def keyword(self) -> str: ...
    @property
    def rename(self) -> str | None: ...


def quote(value: Any) -> str:
    """A name or value in backquotes, on one line and not too long, safe inside of Markdown."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    fence = fence_around(text)
    padded = f" {text} " if len(fence) > 1 or text != text.strip() or not text else text
    return f"{fence}{padded}{fence}"


def fence_around(text: str, shortest: str = "`") -> str:
    """Backquotes, more than the text has in a row: what it is quoted with in Markdown."""
    fence = shortest
    while fence in text:
        fence += "`"
    return fence


def shape(schema: Any) -> str:
    """A schema in a few words: its type, its reference, its values."""
    if schema is True or schema == {}:
        return "anything"
    if not isinstance(schema, dict):
        return "nothing"
    if "const" in schema:
        return f"always {_quoted(schema['const'])}"
    if "enum" in schema:
        return "one of " + ", ".join(_quoted(value) for value in schema["enum"][:4])
    if "$ref" in schema:
        return quote(str(schema["$ref"]).rpartition("/")[2])
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return " or ".join(map(str, names))
    combined = next((k for k in ("oneOf", "anyOf", "allOf") if k in schema), None)
    return f"{combined} of {len(schema[combined])} schemas" if combined else "any type"


def _quoted(value: Any) -> str:
    """A JSON value in backquotes; a text keeps its quotation marks."""
    return quote(json.dumps(value, ensure_ascii=False))


def describe(change: Described) -> str:
    """What happened, as one sentence without a full stop."""
    subject = change.kind.rpartition(" ")[0] or change.kind.value
    writer = _SENTENCES.get(change.kind) or _BY_SUBJECT.get(subject)
    return writer(change) if writer is not None else f"{change.kind} ({change.keyword})"


def _property_added(change: Described) -> str:
    origin = f", perhaps {quote(change.rename)} under a new name" if change.rename else ""
    return f"property {quote(change.keyword)} ({shape(change.new)}) was added{origin}"


def _property_removed(change: Described) -> str:
    target = f", perhaps renamed to {quote(change.rename)}" if change.rename else ""
    return f"property {quote(change.keyword)} ({shape(change.old)}) was removed{target}"


def _types(value: Any) -> str:
    if value is None:
        return "any type"
    return " or ".join(value) if isinstance(value, list) else str(value)


def _type_changed(change: Described) -> str:
    if change.old == change.new:
        return f"{_types(change.old)} takes 1.0 for a whole number differently"
    return f"type {_types(change.old)} became {_types(change.new)}"


def _keyword(change: Described) -> str:
    name = quote(change.keyword.removeprefix("!"))
    if change.old is None:
        return f"{name} was set to {_quoted(change.new)}"
    if change.new is None:
        return f"{name} {_quoted(change.old)} was dropped"
    return f"{name} went from {_quoted(change.old)} to {_quoted(change.new)}"


def _content(change: Described) -> str:
    what = "items" if "tems" in change.keyword else "properties"
    closed = "refused" if change.new is False else "restricted"
    verb = "allowed" if change.kind is ChangeKind.CONTENT_OPENED else closed
    return f"further {what} are {verb} now"


def _last_token(change: Described) -> str:
    """The name at the end of the change's JSON Pointer, quoted."""
    return quote((from_pointer(change.path) or ("",))[-1])


def _pattern_property(change: Described) -> str:
    verb = "have" if change.new is not None else "no longer have"
    return f"properties that match {_last_token(change)} {verb} a schema of their own"


def _dependency(change: Described) -> str:
    name = _last_token(change)
    if change.old is None:
        return f"{name} now brings further demands with it"
    verb = "no longer brings" if change.new is None else "brings other"
    return f"{name} {verb} demands with it"


def _item(change: Described) -> str:
    index = int(change.path.rpartition("/")[2]) if change.path[-1:].isdigit() else 0
    verb = "has a schema of its own now" if change.old is None else "has no schema of its own"
    return f"the item at index {index} {verb}"


def _combination(change: Described) -> str:
    if isinstance(change.old, list) or isinstance(change.new, list):
        verb = "was dropped" if change.new is None else "was added"
        return f"{quote(change.keyword)} {verb}"
    if change.new is None:
        return f"{quote(change.keyword)} lost a branch ({shape(change.old)})"
    return f"{quote(change.keyword)} has a new branch ({shape(change.new)})"


def _definition(change: Described) -> str:
    return f"definition {quote(change.keyword)}: {change.kind.rpartition(' ')[2]}"


_SENTENCES: Final[dict[ChangeKind, Callable[[Described], str]]] = {
    ChangeKind.PROPERTY_ADDED: _property_added,
    ChangeKind.PROPERTY_REMOVED: _property_removed,
    ChangeKind.MADE_REQUIRED: lambda change: f"{quote(change.new)} is required now",
    ChangeKind.MADE_OPTIONAL: lambda change: f"{quote(change.old)} is no longer required",
    ChangeKind.ENUM_VALUE_ADDED: lambda change: f"value {_quoted(change.new)} is allowed now",
    ChangeKind.ENUM_VALUE_REMOVED: lambda change: (
        f"value {_quoted(change.old)} is no longer allowed"
    ),
    ChangeKind.CONST_CHANGED: lambda change: (
        f"the only value {_quoted(change.old)} became {_quoted(change.new)}"
    ),
    ChangeKind.CONTAINS_CHANGED: _keyword,
    ChangeKind.DIALECT_CHANGED: _keyword,
}
_BY_SUBJECT: Final[dict[str, Callable[[Described], str]]] = {
    "type": _type_changed,
    "content model": _content,
    "pattern property": _pattern_property,
    "dependency": _dependency,
    "item": _item,
    "combination": _combination,
    "definition": _definition,
    **dict.fromkeys(("bound", "pattern", "format", "documentation", "reference", "enum"), _keyword),
}
"""Kinds of one subject, as "item added" and "item removed", share a sentence."""


REFUSED: Final[dict[Direction, str]] = {
    "backward": "old data that new readers refuse",
    "forward": "new data that old readers refuse",
}
"""Whose data nobody can read, in each direction."""


def consequence(change: Described, direction: Direction) -> str:
    """A change together with whom it breaks."""
    return f"{describe(change)}: there is {REFUSED[direction]}"
