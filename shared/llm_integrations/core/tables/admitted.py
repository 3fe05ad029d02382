"""Which JSON types a schema admits in a column."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Final

from llm_integrations.core.config import ValidationOptions
from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.jsonschema.stated_types import ALL_TYPES, stated_types
from llm_integrations.core.validation import Validator, compile_validator

__all__ = ["Types", "admitted_types"]

Types = frozenset[str] | None
"""Names of JSON types, "number" always with "integer"; None where the schema names none."""

_SOMETIMES: Final = ("if", "then", "else", "not", "dependentSchemas", "dependencies")
_UNSEEN: Final = frozenset(
    ["unevaluatedProperties", "$dynamicRef", "$recursiveRef", "enum", "const"]
)


def admitted_types(validator: Validator, name: str) -> Types:
    """The types that a row may have in this column.

    A type that is not among them makes every row invalid; one that is may still do so.
    """
    documents = Documents(validator.body, validator.resources)
    return _Reading(documents, validator.options).of_property(documents.top, name)


class _Reading:
    """One schema, read for one column."""

    def __init__(self, documents: Documents, options: ValidationOptions) -> None:
        self._documents = documents
        self._options = options
        self._known: dict[tuple[str | None, SchemaLocation], Types] = {}

    def of_property(self, location: SchemaLocation, name: str) -> Types:
        """What a subschema about objects says about one of their properties."""
        if not isinstance(location.schema, dict):
            return None
        return self._once(location, name, lambda: self._of_property(location, name))

    def _of_property(self, location: SchemaLocation, name: str) -> Types:
        own = reduce(_both, map(self._of_value, self._declarations(location, name)), None)
        # These speak of some rows only, or in a way that is not followed here.
        others = [part for keyword in _SOMETIMES for part in location.applied_parts(keyword)]
        if any(self.of_property(other, name) is not None for other in others):
            own = _both(own, ALL_TYPES)
        if own is None and not _UNSEEN.isdisjoint(location.keywords):
            own = ALL_TYPES
        return self._with_others(location, own, lambda part: self.of_property(part, name))

    def _once(self, location: SchemaLocation, name: str | None, read: Callable[[], Types]) -> Types:
        """What is read of a subschema, which is everything where it refers to itself, or where
        another draft begins within a document."""
        key = (name, location)
        if key not in self._known:
            self._known[key] = ALL_TYPES
            if location.draft is self._documents.top_of(location.document).draft:
                self._known[key] = read()
        return self._known[key]

    def _declarations(self, location: SchemaLocation, name: str) -> list[SchemaLocation]:
        """The subschemas for a property of this name, as the three keywords share them out."""
        keywords = location.keywords
        patterns = [p for p in keywords.get("patternProperties", ()) if self._matches(p, name)]
        found = [location.below("patternProperties", pattern) for pattern in patterns]
        if name in keywords.get("properties", ()):
            found.append(location.below("properties", name))
        if not found and isinstance(keywords.get("additionalProperties"), dict):
            found.append(location.below("additionalProperties"))
        return found

    def _matches(self, pattern: str, name: str) -> bool:
        """As the engine has it: its patterns are not Python's."""
        refusing = {"patternProperties": {pattern: False}}
        return not compile_validator(refusing, options=self._options).is_valid({name: 0})

    def _of_value(self, location: SchemaLocation) -> Types:
        if not isinstance(location.schema, dict):
            return ALL_TYPES
        own = stated_types(location.keywords)
        return self._once(location, None, lambda: self._with_others(location, own, self._of_value))

    def _with_others(
        self, location: SchemaLocation, own: Types, read: Callable[[SchemaLocation], Types]
    ) -> Types:
        """What a subschema's own keywords say, narrowed by the subschemas that judge the same
        value."""
        if "$ref" in location.keywords:
            target = self._documents.follow(location)
            own = _both(own, ALL_TYPES if target is None else read(target))
        own = reduce(_both, map(read, location.applied_parts("allOf")), own)
        for keyword in ("anyOf", "oneOf"):
            if members := location.applied_parts(keyword):
                own = _both(own, _either(list(map(read, members))))
        return own


def _both(one: Types, other: Types) -> Types:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _either(options: list[Types]) -> Types:
    if all(option is None for option in options):
        return None
    return frozenset().union(*(ALL_TYPES if option is None else option for option in options))
