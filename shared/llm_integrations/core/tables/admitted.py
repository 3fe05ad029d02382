"""Which JSON types a schema admits in a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Final

from llm_integrations.core.arrow.compile.dialects import dialect_of
from llm_integrations.core.arrow.compile.schema_location import Place, Places
from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.validation import Validator, compile_validator

__all__ = ["Types", "admitted_types"]

Types = frozenset[str] | None
"""Names of JSON types, "number" always with "integer"; None where nothing is said."""

_NAMES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
_ALL: Final = frozenset([*_NAMES.values(), "number", "null"])
_SOMETIMES: Final = ("if", "then", "else", "not")
_DEPENDENT: Final = frozenset(["dependentSchemas", "dependencies"])
_UNSEEN: Final = frozenset(
    ["unevaluatedProperties", "$dynamicRef", "$recursiveRef", "enum", "const"]
)


def admitted_types(validator: Validator, name: str) -> Types:
    """The types that a row may have in this column.

    A type that is not among them makes every row invalid; one that is may still do so.
    """
    dialect = dialect_of(validator.body)
    if dialect is None:
        return _ALL
    places = Places(validator.body, validator.resources, dialect)
    return _Reading(places, validator.options).of_property(places.root, name)


class _Reading:
    """One schema, read for one column."""

    def __init__(self, places: Places, options: ValidationOptions) -> None:
        self._places = places
        self._options = options
        known = places.dialect.keywords
        self._keywords = known | {"then", "else"} if "if" in known else known
        self._met: set[tuple[bool, str, tuple[str | int, ...]]] = set()

    def of_property(self, place: Place, name: str) -> Types:
        """What is said about a property of the value that this place is about."""
        schema = place.schema
        if not isinstance(schema, dict):
            return None
        if self._is_unclear(place, whole=True):
            return _ALL
        schema = {keyword: schema[keyword] for keyword in self._keywords & schema.keys()}
        said = [self._of_value(below) for below in self._declarations(place, name)]
        own = reduce(_both, said, None)
        # These speak of some rows only, or in a way that is not followed here.
        others = [place.below(keyword) for keyword in _SOMETIMES if keyword in schema]
        for keyword in _DEPENDENT & schema.keys():
            others += [place.below(keyword, key) for key in schema[keyword]]
        if any(self.of_property(other, name) is not None for other in others):
            own = _both(own, _ALL)
        if own is None and not _UNSEEN.isdisjoint(schema):
            own = _ALL
        return self._with_others(place, own, lambda part: self.of_property(part, name))

    def _declarations(self, place: Place, name: str) -> list[Place]:
        """The subschemas for a property of this name, as the three keywords share them out."""
        schema: Any = place.schema
        patterns = filter(lambda p: self._matches(p, name), schema.get("patternProperties", {}))
        found = [place.below("patternProperties", pattern) for pattern in patterns]
        if name in schema.get("properties", {}):
            found.append(place.below("properties", name))
        if not found and isinstance(schema.get("additionalProperties"), dict):
            found.append(place.below("additionalProperties"))
        return found

    def _matches(self, pattern: str, name: str) -> bool:
        """As the engine has it: its patterns are not Python's."""
        refusing = {"patternProperties": {pattern: False}}
        return not compile_validator(refusing, options=self._options).is_valid({name: 0})

    def _of_value(self, place: Place) -> Types:
        if not isinstance(place.schema, dict) or self._is_unclear(place, whole=False):
            return _ALL
        return self._with_others(place, self._stated(place.schema), self._of_value)

    def _stated(self, schema: dict[str, Any]) -> Types:
        found = _ALL
        known = self._places.dialect.keywords & schema.keys()
        if "type" in known:
            named = schema["type"]
            found &= _with_integers([named] if isinstance(named, str) else named)
        if "enum" in known:
            found &= frozenset(map(_type_of, schema["enum"]))
        if "const" in known:
            found &= {_type_of(schema["const"])}
        return found

    def _with_others(self, place: Place, own: Types, read: Callable[[Place], Types]) -> Types:
        """What is said here, and by the subschemas about the same value."""
        schema: Any = place.schema
        if "$ref" in schema:
            target = self._places.follow(place, schema["$ref"])
            said = _ALL if target is None else read(target)
            if self._places.dialect.ref_alone:
                return said
            own = _both(own, said)
        own = reduce(_both, map(read, _members(place, "allOf")), own)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                own = _both(own, _either(list(map(read, _members(place, keyword)))))
        return own

    def _is_unclear(self, place: Place, *, whole: bool) -> bool:
        """Whether references mean something else here, or go round in a circle."""
        key = (whole, place.document, place.steps)
        seen = key in self._met
        self._met.add(key)
        return seen or self._places.moves_base(place)


def _members(place: Place, keyword: str) -> Iterable[Place]:
    schema: Any = place.schema
    return (place.below(keyword, index) for index in range(len(schema.get(keyword, []))))


def _both(one: Types, other: Types) -> Types:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _either(options: list[Types]) -> Types:
    if all(option is None for option in options):
        return None
    return frozenset().union(*(_ALL if option is None else option for option in options))


def _with_integers(named: Iterable[str]) -> frozenset[str]:
    names = frozenset(named)
    return names | {"integer"} if "number" in names else names


def _type_of(value: Any) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return "null" if value is None else _NAMES[type(value)]
