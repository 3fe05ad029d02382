"""From a schema to what a grammar backend takes.

Grammars do not hold every keyword: some make a working request fail, some make the model write
what is not even JSON. What is kept here is what works; everything else only widens what may be
generated, and is judged in the answer. A keyword is never kept where leaving out another one
would turn it into something stricter (``not``, ``if``), so a valid answer stays possible.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

__all__ = ["schema_name", "widen"]

_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))
_DEFINITIONS: Final = ("$defs", "definitions")
_LOCAL: Final = re.compile(r"#(/(\$defs|definitions)/([A-Za-z0-9_.-]+))?")
_KEPT: Final = frozenset(("enum", "const", "minItems", "maxItems"))
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_FORMATS: Final = frozenset(("date", "time", "date-time", "uuid", "ipv4", "ipv6", "email"))
_PATTERN: Final = re.compile(
    r"\^(?:[A-Za-z0-9_ :,@-]|\\[dw.-]|\[[A-Za-z0-9_ :,.@-]+\]|[()|?*+]|\{\d+(?:,\d*)?\})*\$"
)
_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
_DEEPEST: Final = 64
_Widen: TypeAlias = Callable[[Any], dict[str, Any]]


def schema_name(reference: str) -> str:
    """A reference as the name of a response format: at most 64 letters, digits, _ and -."""
    return _NAME.sub("-", reference)[:64].strip("-") or "schema"


def widen(schema: Any) -> dict[str, Any]:
    """A schema of keywords that grammars take, which admits all that the given one admits."""
    made = _widen(schema, _depth=0)
    if not isinstance(schema, dict):
        return made
    for word in _DEFINITIONS:
        given = schema.get(word)
        if isinstance(given, dict):
            made[word] = {
                name: _widen(body, _depth=1)
                for name, body in given.items()
                if _LOCAL.fullmatch(f"#/{word}/{name}")
            }
    whole: dict[str, Any] = _without_dangling(made, made)
    return whole


def _widen(schema: Any, *, _depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or _depth > _DEEPEST:
        return {}
    if _depth and "$id" in schema:
        # Its references are relative to itself.
        return {}
    if "$ref" in schema:
        reference = schema["$ref"]
        local = isinstance(reference, str) and _LOCAL.fullmatch(reference)
        return {"$ref": reference} if local else {}

    def inner(value: Any) -> dict[str, Any]:
        return _widen(value, _depth=_depth + 1)

    made = {word: value for word, value in schema.items() if word in _KEPT}
    _keep_type(schema, made)
    _keep_numbers_and_text(schema, made)
    _keep_object(schema, made, inner)
    _keep_array(schema, made, inner)
    _keep_alternatives(schema, made, inner)
    return made


def _keep_type(schema: dict[str, Any], made: dict[str, Any]) -> None:
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if kinds and all(isinstance(k, str) and k in _TYPES for k in kinds):
        made["type"] = kind


def _keep_numbers_and_text(schema: dict[str, Any], made: dict[str, Any]) -> None:
    # Bounds on numbers that are not whole are left to judging: a grammar has to write them as
    # patterns over digits, and an exponent escapes those.
    if made.get("type") == "integer":
        for word in _BOUNDS:
            if isinstance(value := schema.get(word), int) and not isinstance(value, bool):
                made[word] = value
    if made.get("type") != "string":
        return
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _PATTERN.fullmatch(pattern):
        made["pattern"] = pattern
    elif schema.get("format") in _FORMATS:
        made["format"] = schema["format"]


def _keep_object(schema: dict[str, Any], made: dict[str, Any], inner: _Widen) -> None:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        made["properties"] = {name: inner(value) for name, value in properties.items()}
    if "patternProperties" not in schema and "propertyNames" not in schema:
        _keep_others("additionalProperties", schema, made, inner)
    required = schema.get("required")
    if isinstance(required, list):
        known = made.get("properties", {})
        made["required"] = [name for name in required if name in known]


def _keep_array(schema: dict[str, Any], made: dict[str, Any], inner: _Widen) -> None:
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list):
        made["prefixItems"] = [inner(value) for value in prefix]
    _keep_others("items", schema, made, inner)


def _keep_others(word: str, schema: dict[str, Any], made: dict[str, Any], inner: _Widen) -> None:
    others = schema.get(word)
    if isinstance(others, bool):
        made[word] = others
    elif isinstance(others, dict):
        made[word] = inner(others)


def _keep_alternatives(schema: dict[str, Any], made: dict[str, Any], inner: _Widen) -> None:
    """oneOf becomes anyOf; a grammar takes alternatives alone, not beside other keywords."""
    for word in ("anyOf", "oneOf"):
        branches = schema.get(word)
        if isinstance(branches, list) and branches and not made:
            made["anyOf"] = [inner(branch) for branch in branches]
            return


def _without_dangling(value: Any, root: dict[str, Any]) -> Any:
    """References to definitions that were not kept admit anything."""
    if isinstance(value, list):
        return [_without_dangling(item, root) for item in value]
    if not isinstance(value, dict):
        return value
    match = _LOCAL.fullmatch(str(value.get("$ref"))) if "$ref" in value else None
    if match is not None and match[1] and match[3] not in root.get(match[2], {}):
        return {}
    return {key: _without_dangling(item, root) for key, item in value.items()}
