"""What one subschema asks of a value, sorted by how its failures are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import jsonschema_rs

from llm_integrations.core.jsonschema.documents import Documents
from llm_integrations.core.jsonschema.location import SchemaLocation

__all__ = ["Assertions", "Plan", "outline_of", "plan_of"]

_OUTLINE: Final = frozenset(
    {"type", "required", "minProperties", "maxProperties", "dependentRequired", "dependencies"}
    | {"minItems", "maxItems"}
)
"""What is seen from a container's property names and number of items alone."""

_COUNTING: Final = frozenset({"minProperties", "maxProperties"})
_WHOLE: Final = ("const", "enum", "uniqueItems")
_LONG: Final = 100
"""Values of an enum that are not copied into an error for each value that is none of them."""

_SCALAR: Final = _OUTLINE | frozenset(
    {"const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType"}
)
_BESIDE_A_UNION: Final = frozenset(
    {"oneOf", "not", "if", "unevaluatedProperties", "unevaluatedItems"}
    | {"$ref", "$dynamicRef", "$recursiveRef"}
)
_DRAFTS: Final[Mapping[int, Any]] = {
    4: jsonschema_rs.Draft4Validator,
    6: jsonschema_rs.Draft6Validator,
    7: jsonschema_rs.Draft7Validator,
    2019: jsonschema_rs.Draft201909Validator,
    2020: jsonschema_rs.Draft202012Validator,
}


@dataclass(frozen=True, slots=True)
class Assertions:
    """Compiles keywords that hold no subschemas. ``options`` are those of the whole schema."""

    options: Mapping[str, Any]

    def compile(self, location: SchemaLocation, keywords: Iterable[str]) -> Any | None:
        """A validator of those keywords that are there; None if none is."""
        stated = {word: value for word, value in location.keywords.items() if word in keywords}
        if isinstance(stated.get("dependencies"), dict):
            lists = {n: v for n, v in stated["dependencies"].items() if isinstance(v, list)}
            stated["dependencies"] = lists
        return self.of(location, stated) if stated else None

    def of(self, location: SchemaLocation, schema: Mapping[str, Any]) -> Any:
        return _DRAFTS[location.draft.number](dict(schema), offline=True, **self.options)


@dataclass(frozen=True, slots=True)
class Plan:
    """The keywords of one subschema.

    Attributes:
        location: where it stands.
        keywords: its keywords.
        types: those that ``type`` names, with what judges by them; or None.
        scalar: judges text, numbers, booleans and null; None: there is nothing to judge.
        outline: judges a container whose members are replaced by null.
        stated: the names of properties that ``outline`` looks at; None if it counts them all.
        whole: judge a container as it is; by keyword.
        long_enum: judges whatever ``scalar`` does, by an enum that is too long for it.
        properties: by name.
        patterns: with what judges a name.
        others: for properties without one of these, or None; likewise below.
        names: for the names of properties.
        prefix: for the first items.
        items: for those after them, or None; no schema accepts an item where ``is_closed``.
        is_closed: whether there may be no item after the first (``additionalItems: false``).
        contains: for some of the items.
        dependents: for the whole object if it has a property of that name.
        all_of: for the value itself.
        references: what they lead to, for the value itself.
        unions: anyOf and oneOf.
        is_only_a_union: whether a value that passes all other keywords can only fail ``anyOf``.
        excluded: ``not``.
        condition: if, then and else.
        tags: names of properties for which one value, or one of a list, is wanted.
        is_gathering: whether it looks for what other keywords leave over (``unevaluated…``).
        unresolved: a keyword whose meaning is not known here.
    """

    location: SchemaLocation
    keywords: dict[str, Any]
    types: tuple[list[str], Any] | None
    scalar: Any | None
    outline: Any | None
    stated: Sequence[str] | None
    whole: list[tuple[str, Any]]
    long_enum: list[tuple[str, Any]]
    properties: dict[str, SchemaLocation]
    patterns: list[tuple[Any, SchemaLocation]]
    others: SchemaLocation | None
    names: SchemaLocation | None
    prefix: list[SchemaLocation]
    items: SchemaLocation | None
    is_closed: bool
    contains: SchemaLocation | None
    dependents: dict[str, SchemaLocation]
    all_of: list[SchemaLocation]
    references: list[SchemaLocation]
    unions: list[tuple[str, list[SchemaLocation]]]
    is_only_a_union: bool
    excluded: SchemaLocation | None
    condition: tuple[SchemaLocation, SchemaLocation | None, SchemaLocation | None] | None
    tags: list[str]
    is_gathering: bool
    unresolved: str | None

    def asserts(self, value: Any) -> bool:
        """Whether the keywords without subschemas accept a value."""
        if type(value) is not dict and type(value) is not list:
            there, rest = self.scalar is None or self.scalar.is_valid(value), self.long_enum
        else:
            there = self.outline is None or self.outline.is_valid(outline_of(value))
            rest = self.whole
        return there and all(whole.is_valid(value) for _, whole in rest)

    def members(self, value: Any) -> Iterator[tuple[tuple[str | int], SchemaLocation, Any]]:
        """Each subschema that has to accept a member of the value, with the step that leads to
        that member."""
        if type(value) is dict:
            for name, member in value.items():
                for part in self.of_property(name):
                    yield (name,), part, member
        elif type(value) is list:
            for index, (part, item) in enumerate(zip(self.prefix, value, strict=False)):
                yield (index,), part, item
            if self.items is not None:
                for index in range(len(self.prefix), len(value)):
                    yield (index,), self.items, value[index]

    def of_property(self, name: str) -> Iterator[SchemaLocation]:
        """Each subschema that has to accept the value of a property."""
        matching = [part for pattern, part in self.patterns if pattern.is_valid(name)]
        if name in self.properties:
            yield self.properties[name]
        elif not matching and self.others is not None and self.others.schema is not False:
            yield self.others
        yield from matching

    def unexpected(self, value: dict[str, Any]) -> list[str]:
        """The names that ``additionalProperties: false`` refuses."""
        if self.others is None or self.others.schema is not False:
            return []
        return [name for name in value if next(self.of_property(name), None) is None]

    def has_items_too_many(self, value: list[Any]) -> bool:
        return self.is_closed and len(value) > len(self.prefix)

    def contains_too_few_or_many(self, number: int) -> str | None:
        """The keyword that refuses an array with this number of items that ``contains`` accepts."""
        least, most = self.keywords.get("minContains"), self.keywords.get("maxContains")
        if number < (1 if least is None else least):
            words = (word for word in ("minContains", "maxContains") if word in self.keywords)
            return next(words, "contains")
        return "maxContains" if most is not None and number > most else None

    def before_unions(self, value: Any) -> Iterator[SchemaLocation]:
        """Subschemas that have to accept the value itself; the engine asks them first."""
        if type(value) is dict:
            yield from (part for name, part in self.dependents.items() if name in value)
        yield from self.all_of


def outline_of(value: Any, stated: Sequence[str] | None = None) -> Any:
    """A container with null for each of its members, of an object's those that are stated alone,
    so that errors quote no more; any other value itself."""
    if type(value) is dict:
        return dict.fromkeys(value if stated is None else filter(value.__contains__, stated))
    return [None] * len(value) if type(value) is list else value


def _stated(keywords: Mapping[str, Any]) -> Sequence[str] | None:
    if not _COUNTING.isdisjoint(keywords):
        return None
    dependent = [keywords.get(word, {}) for word in ("dependentRequired", "dependencies")]
    lists = [keywords.get("required", ()), *(one for each in dependent for one in each.values())]
    names = (name for names in lists if isinstance(names, list) for name in names)
    return list(dict.fromkeys(chain(names, *dependent)))


def plan_of(documents: Documents, location: SchemaLocation, assertions: Assertions) -> Plan:
    """The plan of a subschema that is an object."""
    keywords = location.keywords

    def part(word: str) -> SchemaLocation | None:
        there = word in keywords and isinstance(keywords[word], dict | bool)
        return location.below(word) if there else None

    def named(word: str) -> dict[str, SchemaLocation]:
        held = location.parts(word) if word in keywords else []
        return {str(found.steps[-1]): found for found in held}

    def listed(word: str) -> list[SchemaLocation]:
        return location.parts(word) if isinstance(keywords.get(word), list) else []

    prefix_word = "prefixItems" if "prefixItems" in location.draft.keywords else "items"
    rest_word = "additionalItems" if isinstance(keywords.get("items"), list) else "items"
    rest = part(rest_word)
    is_closed = rest_word != "items" and rest is not None and rest.schema is False
    condition = part("if")
    targets = documents.targets(location)
    properties = named("properties")
    whole: list[tuple[str, Any]] = [
        (w, assertions.compile(location, {w})) for w in _WHOLE if w in keywords
    ]
    has_long_enum = len(keywords.get("enum", ())) > _LONG
    scalar = _SCALAR - {"enum"} if has_long_enum else _SCALAR
    return Plan(
        location=location,
        keywords=keywords,
        types=_types(keywords, assertions.compile(location, {"type"})),
        scalar=assertions.compile(location, scalar),
        outline=assertions.compile(location, _OUTLINE),
        stated=_stated(keywords),
        whole=whole,
        long_enum=[judge for judge in whole if judge[0] == "enum"] if has_long_enum else [],
        properties=properties,
        patterns=[
            (assertions.of(location, {"pattern": pattern}), found)
            for pattern, found in named("patternProperties").items()
        ],
        others=part("additionalProperties"),
        names=part("propertyNames"),
        prefix=listed(prefix_word),
        items=None if is_closed else rest,
        is_closed=is_closed,
        contains=part("contains"),
        dependents={**named("dependencies"), **named("dependentSchemas")},
        all_of=listed("allOf"),
        references=[target for target in targets if target is not None],
        unions=[(word, listed(word)) for word in ("anyOf", "oneOf") if word in keywords],
        is_only_a_union="anyOf" in keywords and _BESIDE_A_UNION.isdisjoint(keywords),
        excluded=part("not"),
        condition=(condition, part("then"), part("else")) if condition else None,
        tags=[n for n, p in properties.items() if not {"const", "enum"}.isdisjoint(p.keywords)],
        is_gathering=not {"unevaluatedProperties", "unevaluatedItems"}.isdisjoint(keywords),
        unresolved=_unresolved(keywords, targets),
    )


def _types(keywords: dict[str, Any], judge: Any | None) -> tuple[list[str], Any] | None:
    if judge is None:
        return None
    return keywords["type"] if isinstance(keywords["type"], list) else [keywords["type"]], judge


def _unresolved(keywords: dict[str, Any], targets: list[SchemaLocation | None]) -> str | None:
    if None in targets:
        return next(word for word in ("$dynamicRef", "$recursiveRef", "$ref") if word in keywords)
    return None
