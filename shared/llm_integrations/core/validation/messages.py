"""What is wrong, in words that hold no data: only the schema's own words and JSON type names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from jsonschema_rs import ValidationError

from llm_integrations.core.validation.documents import BASE_URI
from llm_integrations.core.validation.pointer import to_pointer
from llm_integrations.core.validation.report import Violation

__all__ = ["UNDECLARED", "Describer", "json_type", "shorten"]

UNDECLARED: Final = "*"
"""Stands in a path for a property name that the schema does not know: such a name is data."""

_Rule = Callable[[ValidationError], str]

_SHOWN = 10
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Describer:
    """Words one schema's violations.

    The engine's own messages quote the data, and name its undeclared properties, whatever is
    masked. These do so with ``show_values`` only, and then shortened.

    Attributes:
        words: what the schema itself says; no other property name is shown.
        show_values: whether data may be quoted.
    """

    words: AbstractSet[str]
    show_values: bool = False

    def violation(self, error: ValidationError) -> Violation:
        return Violation(
            path=self.path(error.instance_path),
            message=self.message(error),
            keyword=keyword_of(error),
            schema_path=schema_path_of(error),
        )

    def path(self, segments: Iterable[str | int]) -> str:
        """A JSON Pointer into the data."""
        return to_pointer(self._shown(segment) for segment in segments)

    def message(self, error: ValidationError) -> str:
        kind = error.kind.name
        if kind in ("anyOf", "oneOf"):
            text = self._alternatives(error)
        elif kind == "propertyNames":
            text = f"has a property whose name {self.message(error.kind.value)}"
        elif rule := _RULES.get(keyword_of(error)) or _RULES.get(kind):
            text = rule(error)
        else:
            text = f"does not satisfy {keyword_of(error)!r}"
        return f"{text}{self._quoted(error)}" if self.show_values else text

    def _shown(self, segment: str | int) -> str | int:
        known = self.show_values or isinstance(segment, int) or segment in self.words
        return segment if known else UNDECLARED

    def _quoted(self, error: ValidationError) -> str:
        if error.kind.name in ("propertyNames", "required"):
            return ""
        if unexpected := getattr(error.kind, "unexpected", None):
            return f": {_listed(unexpected)}"
        return f" (got {shorten(error.instance)})"

    def _alternatives(self, error: ValidationError) -> str:
        branches: list[list[ValidationError]] = error.kind.value
        if any(not failures for failures in branches):
            fitting = [str(n) for n, failures in enumerate(branches) if not failures]
            return f"fits more than one of {len(branches)} alternatives (numbers {_and(fitting)})"
        text = f"fits none of {len(branches)} alternatives"
        if (nearest := _nearest(branches, error.instance_path)) is None:
            return text
        place = self.path(nearest.instance_path[len(error.instance_path) :])
        return f"{text}; by the nearest, {place or 'it'} {self.message(nearest)}"


def keyword_of(error: ValidationError) -> str:
    """The keyword as the schema has it: some of the engine's kinds cover several."""
    last = error.schema_path[-1] if error.schema_path else None
    return last if isinstance(last, str) and last in _SHARING else error.kind.name


def schema_path_of(error: ValidationError) -> str:
    """A JSON Pointer; inside a referenced schema it follows that schema's name and ``#``."""
    pointer = to_pointer(error.schema_path)
    location = error.absolute_keyword_location
    if location is None:
        return pointer
    document = location.partition("#")[0].removeprefix(BASE_URI)
    return f"{document}#{pointer}" if document else pointer


def json_type(value: Any) -> str:
    """The JSON Schema type of a JSON value, with its article."""
    for kinds, name in _TYPES:
        if isinstance(value, kinds):
            return name
    return "a number"


def shorten(value: Any) -> str:
    """JSON text of a value, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"


def _nearest(
    branches: Sequence[Sequence[ValidationError]], path: Sequence[str | int]
) -> ValidationError | None:
    """The first failure of the branch that was most likely meant: of the right type, few others."""

    def other_type(failures: Sequence[ValidationError]) -> bool:
        return any(f.kind.name == "type" and f.instance_path == path for f in failures)

    meant = [failures for failures in branches if failures and not other_type(failures)]
    return min(meant, key=len)[0] if meant else None


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _listed(values: Sequence[Any]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(shorten(value) for value in values[:_SHOWN]) + more


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _wrong_type(error: ValidationError) -> str:
    wanted = [_ARTICLES.get(name, name) for name in error.kind.value]
    return f"is {json_type(error.instance)}, not {' or '.join(wanted)}"


def _undeclared(error: ValidationError) -> str:
    return f"has {_count(len(error.kind.value), 'property', 'properties')} that nothing allows"


def _required(error: ValidationError) -> str:
    name = shorten(error.kind.value)
    return f"lacks the required property {name}"


def _required_by_another(error: ValidationError) -> str:
    return f"lacks the property {shorten(error.kind.value)}, which another property requires"


def _limit(
    before: str, unit: str = "", many: str | None = None
) -> Callable[[ValidationError], str]:
    def rule(error: ValidationError) -> str:
        value = error.kind.value
        return f"{before} {_count(value, unit, many) if unit else value}"

    return rule


def _fixed(text: str) -> _Rule:
    return lambda _: text


_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "an integer"),
    (str, "a string"),
    (dict, "an object"),
    ((list, tuple), "an array"),
)
_ARTICLES: Final = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_SHARING: Final = frozenset(
    {"dependencies", "dependentRequired", "maxContains", "minContains", "contains"}
)
_RULES: Final[dict[str, _Rule]] = {
    "additionalItems": _limit("has more than", "item"),
    "additionalProperties": _undeclared,
    "const": lambda error: f"is not {shorten(error.kind.value)}",
    "contains": _fixed("has no item of the kind that it must contain"),
    "contentEncoding": _limit("is not encoded as"),
    "contentMediaType": _limit("is not of the media type"),
    "dependencies": _required_by_another,
    "dependentRequired": _required_by_another,
    "enum": lambda error: f"is none of {_listed(error.kind.value)}",
    "exclusiveMaximum": _limit("is not less than"),
    "exclusiveMinimum": _limit("is not greater than"),
    "falseSchema": _fixed("is not allowed here"),
    "format": _limit("does not have the format"),
    "maxContains": _fixed("has too many items of the kind that it may contain"),
    "maximum": _limit("is greater than the maximum"),
    "maxItems": _limit("has more than", "item"),
    "maxLength": _limit("is longer than", "character"),
    "maxProperties": _limit("has more than", "property", "properties"),
    "minContains": _fixed("has too few items of the kind that it must contain"),
    "minimum": _limit("is less than the minimum"),
    "minItems": _limit("has fewer than", "item"),
    "minLength": _limit("is shorter than", "character"),
    "minProperties": _limit("has fewer than", "property", "properties"),
    "multipleOf": _limit("is not a multiple of"),
    "not": _fixed("is of a kind that the schema excludes"),
    "pattern": lambda error: f"does not match the pattern {shorten(error.kind.value)}",
    "required": _required,
    "type": _wrong_type,
    "unevaluatedItems": lambda error: f"has {_count(len(error.kind.value), 'item')} too many",
    "unevaluatedProperties": _undeclared,
    "uniqueItems": _fixed("has items that are equal"),
}
