"""A schema as fields can be made of it: each object a definition of its own, by a plain name."""

from __future__ import annotations

import keyword
import re
from typing import Any, Final
from urllib.parse import unquote

from llm_integrations.core.jsonschema.pointer import from_pointer

__all__ = ["class_name", "field_schema"]

_APPLIED: Final = ("items", "additionalProperties", "prefixItems", "anyOf", "oneOf")
_NO_FIELD: Final = frozenset(
    {"$defs", "definitions", "$id", "$schema", "$comment", "$anchor", "title", "not", "if", "then"}
    | {"else", "contains", "propertyNames", "patternProperties", "dependentSchemas", "dependencies"}
    | {"unevaluatedItems", "unevaluatedProperties", "uniqueItems"}
)
"""Keywords that no field has; ``title`` is the class's name."""
_KEPT_FORMATS: Final = ("date-time", "date")
_BESIDE: Final = ("default", "description", "examples")


def class_name(subject: str | None) -> str:
    """A subject as the name of a class: ``com.example.user-profile`` is UserProfile."""
    last = re.split(r"[./:]", subject or "")[-1]
    name = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", last))
    name = name if name[:1].isalpha() else f"Schema{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def field_schema(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A schema that says the same of fields, in words that a maker of classes takes.

    Each reference leads to ``#/$defs/<name of a class>``, and so does each object with properties:
    a class that contains itself is found by its name. Parts of ``allOf`` that are objects are one
    object. Keywords that would change or refuse data that the schema accepts are left out: pydantic
    makes a set of unique items, normalises URLs, and knows fewer patterns.

    Args:
        name: of the class.

    Raises:
        LookupError: a reference leads out of the document, or nowhere.
        RecursionError: a definition is nothing but itself.
    """
    return _Fields(body).written(name)


class _Fields:
    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._own_id = str(body.get("$id", "")).rstrip("#")
        self._names: dict[str, str] = {}  # by the pointers of what references lead to
        self._open: set[str] = set()  # of these, what is being written
        self._made: dict[str, Any] = {}
        self._followed_to: dict[str, dict[str, Any]] = {}

    def written(self, name: str) -> dict[str, Any]:
        root, seen = "#", {"#"}
        while isinstance(there := self._at(self._pointer(root)), dict) and "$ref" in there:
            root = there["$ref"]
            if root in seen:
                raise RecursionError
            seen.add(root)
        made = self._reference(root, name)
        if "properties" in self._made[name]:
            return {**made, "$defs": self._made}
        return {**self._made[name], "$defs": self._made}

    def _reference(self, reference: str, hint: str = "") -> dict[str, Any]:
        """A reference by the name of a class. What contains itself and is no object has none: where
        it stands again, it is anything."""
        pointer = self._pointer(reference)
        if pointer not in self._names:
            last = [token for token in from_pointer(pointer) if not token.isdigit()][-1:]
            name = self._free(hint or class_name((last or ["Schema"])[0]))
            self._names[pointer] = name
            self._made[name] = {}
            self._open.add(pointer)
            self._made[name] = self._part(self._at(pointer), name)
            self._open.remove(pointer)
        if pointer in self._open and not _is_object(self._followed({"$ref": reference})):
            return {}
        return {"$ref": f"#/$defs/{self._names[pointer]}"}

    def _pointer(self, reference: str) -> str:
        document, _, pointer = reference.partition("#")
        if (document and document != self._own_id) or (pointer and pointer[0] != "/"):
            raise LookupError(f"{reference} is no place in this document")
        return unquote(pointer)

    def _at(self, pointer: str) -> Any:
        place: Any = self._body
        for token in from_pointer(pointer):
            place = place[int(token) if isinstance(place, list) else token]
        return place

    def _free(self, name: str) -> str:
        taken = self._made.keys()
        others = (f"{name}{number}" for number in range(2, len(taken) + 3))
        return name if name not in taken else next(other for other in others if other not in taken)

    def _object(self, part: dict[str, Any], hint: str) -> dict[str, Any]:
        """An object with properties as a definition, and what is said of the field beside it."""
        name = self._free(hint)
        self._made[name] = {}
        self._made[name] = self._part(part, name)
        return {"$ref": f"#/$defs/{name}", **_beside(part)}

    def _part(self, part: Any, own: str = "", hint: str = "Part") -> Any:
        """One subschema; ``own`` is its name where it is a definition already."""
        if not isinstance(part, dict):
            return {}  # true, or false, which no field can say
        part = self._merged(part)
        if "$ref" in part:
            return {**self._reference(part["$ref"]), **_beside(part)}
        if isinstance(types := part.get("type"), list) and "properties" in part:
            each = [self._part({**part, "type": one}, hint=hint) for one in types]
            return {"oneOf": each, **_beside(part)}
        is_object = _is_object(part)
        if is_object and not own:
            return self._object(part, hint)
        written = {k: self._value(k, v) for k, v in part.items() if _says(k, v, is_object)}
        return {**written, "type": "object", "title": own} if is_object else written

    def _value(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self._part(part, hint=class_name(name)) for name, part in value.items()}
        if key in _APPLIED and isinstance(value, list):
            return [self._part(one) for one in value]
        return self._part(value) if key in _APPLIED and value is not False else value

    def _merged(self, part: dict[str, Any]) -> dict[str, Any]:
        """Without ``allOf``: its objects' properties are the object's own."""
        parts = part.get("allOf")
        if not isinstance(parts, list):
            return part
        rest = {key: value for key, value in part.items() if key != "allOf"}
        if len(parts) == 1 and isinstance(parts[0], dict) and not rest.keys() - {*_BESIDE, "title"}:
            return {**parts[0], **rest}
        whole = [rest, *(self._followed(one) for one in parts)]
        properties = {k: v for one in whole for k, v in one.get("properties", {}).items()}
        required = [name for one in whole for name in one.get("required", ())]
        first: dict[str, Any] = {k: v for one in reversed(whole) for k, v in one.items()}
        return first | ({"properties": properties, "required": required} if properties else {})

    def _followed(self, part: Any) -> dict[str, Any]:
        if not isinstance(part, dict):
            return {}
        if "$ref" not in part:
            return self._merged(part)
        pointer = self._pointer(part["$ref"])
        if pointer not in self._followed_to:
            self._followed_to[pointer] = self._followed(self._at(pointer))
        return self._followed_to[pointer]


def _is_object(part: dict[str, Any]) -> bool:
    return isinstance(part.get("properties"), dict) and part.get("type", "object") == "object"


def _beside(part: dict[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in _BESIDE if key in part}


def _says(key: str, value: Any, is_object: bool) -> bool:
    """By the value's type too: what is no keyword's value says nothing."""
    if key == "format":
        return value in _KEPT_FORMATS
    if key == "properties":
        return is_object
    if key not in _APPLIED and "'$ref'" in repr(value):
        return False  # pydantic would follow it, in whatever keyword of one's own it stands
    return key not in _NO_FIELD and not (key == "pattern" and isinstance(value, str))
