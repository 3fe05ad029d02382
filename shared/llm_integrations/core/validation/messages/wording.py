"""JSON values and the schema's rules in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from jsonschema_rs import ValidationError

from llm_integrations.core.validation.explain.failure import Failure

__all__ = ["BY_SCHEMA_ALONE", "RULES", "Rule", "json_type", "listed", "shorten", "with_article"]

Rule = Callable[[ValidationError | Failure, Any], str]
"""Says which rule a value breaks, without quoting the value."""

_to_json: Final = json.JSONEncoder(ensure_ascii=False, default=str).encode
_LONGEST: Final = 120
_MOST: Final = 10


def json_type(value: Any) -> str:
    """The JSON Schema type of a JSON value, with its article."""
    for kinds, name in _TYPES:
        if isinstance(value, kinds):
            return with_article(name)
    return with_article("number")


def with_article(type_name: str) -> str:
    """A JSON Schema type as it stands in a sentence."""
    if type_name == "null":
        return type_name
    return f"{'an' if type_name[0] in 'aio' else 'a'} {type_name}"


def shorten(value: Any) -> str:
    """JSON text of a value, cut where it gets long."""
    try:
        text = _to_json(value)
    except ValueError:
        return "a number of very many digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def listed(values: Sequence[Any]) -> str:
    """The first few of some values."""
    more = f" and {len(values) - _MOST} more" if len(values) > _MOST else ""
    return ", ".join(shorten(value) for value in values[:_MOST]) + more


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _wrong_type(error: ValidationError | Failure, value: Any) -> str:
    wanted = " or ".join(map(with_article, error.kind.value))
    return f"is {json_type(value)}, not {wanted}"


def _undeclared(error: ValidationError | Failure, value: Any) -> str:
    unexpected = error.kind.value
    number = len(value if unexpected is None else unexpected)
    return f"has {_count(number, 'property', 'properties')} that the schema does not allow"


def _too_many_items(error: ValidationError | Failure, _: Any) -> str:
    return f"has {_count(len(error.kind.value), 'item')} too many"


def _required_by_another(error: ValidationError | Failure, _: Any) -> str:
    return f"lacks {shorten(error.kind.value)}, which another of its properties requires"


def _limit(text: str, unit: str = "", many: str | None = None) -> Rule:
    def rule(error: ValidationError | Failure, _: Any) -> str:
        limit = error.kind.value
        return f"{text} {_count(limit, unit, many) if unit else shorten(limit)}"

    return rule


def _fixed(text: str) -> Rule:
    return lambda _error, _value: text


_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (type(None), "null"),
    (bool, "boolean"),
    (int, "integer"),
    (str, "string"),
    (dict, "object"),
    ((list, tuple), "array"),
)
RULES: Final[dict[str, Rule]] = {
    "additionalItems": _limit("has more than", "item"),
    "additionalProperties": _undeclared,
    "const": _limit("is not"),
    "contains": _fixed("has no item of the kind that it must contain"),
    "contentEncoding": _limit("is not encoded as"),
    "contentMediaType": _limit("is not of the media type"),
    "dependencies": _required_by_another,
    "dependentRequired": _required_by_another,
    "enum": lambda error, _: f"is none of {listed(error.kind.value)}",
    "exclusiveMaximum": _limit("is not less than"),
    "exclusiveMinimum": _limit("is not greater than"),
    "falseSchema": _fixed("is not allowed here"),
    "format": _limit("does not have the format"),
    "max_steps": _fixed("is invalid; the search for the reason was given up (max_steps)"),
    "maxContains": _fixed("has too many items of the kind that it may contain"),
    "maxItems": _limit("has more than", "item"),
    "maxLength": _limit("is longer than", "character"),
    "maxProperties": _limit("has more than", "property", "properties"),
    "maximum": _limit("is greater than the maximum"),
    "minContains": _fixed("has too few items of the kind that it must contain"),
    "minItems": _limit("has fewer than", "item"),
    "minLength": _limit("is shorter than", "character"),
    "minProperties": _limit("has fewer than", "property", "properties"),
    "minimum": _limit("is less than the minimum"),
    "multipleOf": _limit("is not a multiple of"),
    "not": _fixed("is of a kind that the schema excludes"),
    "pattern": _limit("does not match the pattern"),
    "required": _limit("lacks the required property"),
    "type": _wrong_type,
    "unevaluatedItems": _too_many_items,
    "unevaluatedProperties": _undeclared,
    "uniqueItems": _fixed("has items that are equal"),
}
"""By keyword, or by the engine's name for what went wrong."""

BY_SCHEMA_ALONE: Final = frozenset(RULES) - {
    "additionalProperties",
    "dependencies",
    "dependentRequired",
    "required",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
}
"""Those whose words say nothing that follows from the data."""
