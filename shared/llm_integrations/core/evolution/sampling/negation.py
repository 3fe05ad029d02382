"""The negation of a node as a list of nodes without negation: a value fails it by satisfying one.

A sampler picks one of them to make an instance that a schema refuses. A ``not`` around a single
keyword of ``LEAVES`` stays as it is: the sampler avoids such values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import CONTENT, STRICT_INTEGER, Node

__all__ = ["AS_FRACTION", "LEAVES", "NegationContext", "negations"]

LEAVES: Final = frozenset({"pattern", "format", "enum", "multipleOf", "uniqueItems", CONTENT})

AS_FRACTION: Final = "!fraction"
"""A whole number must be written as 1.0, which only draft 4 refuses."""

_ALL_TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "null")
_ANYTHING: Final[Node] = {}
_NEVER: Final[Node] = {"not": {}}
_MOST_PAIRS: Final = 12


@dataclass(frozen=True, slots=True)
class NegationContext:
    """What is known of the instance that is to fail a node.

    Attributes:
        names: gives names of properties to try, for a keyword and its node or pattern.
        negation: gives a node's opposite; the same one for the same node, so that cycles end.
    """

    names: Callable[[str, Node | str], list[str]]
    negation: Callable[[Node], Node]


_Rule = Callable[[Node, NegationContext], Iterator[Node]]
"""The ways to fail one keyword of a node."""


def negations(node: Node, context: NegationContext) -> Iterator[Node]:
    """Nodes each of which is satisfied only by values that fail ``node``."""
    for keyword in node:
        rule = _NEGATIONS.get(keyword)
        if rule is not None:
            yield from rule(node, context)


def _type(node: Node, _: NegationContext) -> Iterator[Node]:
    present = set(node["type"])
    if "number" in present:
        present.add("integer")
    others = [name for name in _ALL_TYPES if name not in present]
    if "integer" in present and "number" not in present:
        others.remove("number")
        yield {"type": ["number"], "not": {"multipleOf": 1}}
    for name in others:
        yield {"type": [name]}


def _strict_integer(_node: Node, _: NegationContext) -> Iterator[Node]:
    yield {"type": ["integer"], AS_FRACTION: True}


def _leaf(keyword: str, type_name: str | None) -> _Rule:
    def failing(node: Node, _: NegationContext) -> Iterator[Node]:
        typed = {} if type_name is None else {"type": [type_name]}
        yield {**typed, "not": {keyword: node[keyword]}}

    return failing


def _opposite(type_name: str, keyword: str, opposite: str, shift: int = 0) -> _Rule:
    def failing(node: Node, _: NegationContext) -> Iterator[Node]:
        bound = node[keyword] + shift
        if shift >= 0 or bound >= 0:
            yield {"type": [type_name], opposite: bound}

    return failing


def _item(index: int, refused: Node) -> Node:
    listed = [*[_ANYTHING] * index, refused]
    return {"type": ["array"], "minItems": index + 1, "prefixItems": listed}


def _prefix_items(node: Node, context: NegationContext) -> Iterator[Node]:
    for index, item in enumerate(node["prefixItems"]):
        yield _item(index, context.negation(item))


def _items(node: Node, context: NegationContext) -> Iterator[Node]:
    start = len(node.get("prefixItems", ()))
    yield _item(start, context.negation(node["items"]))
    yield _item(start + 1, context.negation(node["items"]))


def _contains(node: Node, context: NegationContext) -> Iterator[Node]:
    least, most = node.get("minContains", 1), node.get("maxContains")
    if least == 1:
        yield {"type": ["array"], "items": context.negation(node["contains"])}
    elif least > 1:
        fewer = {"contains": node["contains"], "minContains": 0, "maxContains": least - 1}
        yield {"type": ["array"], **fewer}
    if most is not None:
        yield {"type": ["array"], "contains": node["contains"], "minContains": most + 1}


def _has(name: str, value: Node) -> Node:
    """An object with a property of a certain value."""
    return {"type": ["object"], "required": [name], "properties": {name: value}}


def _required(node: Node, _: NegationContext) -> Iterator[Node]:
    for name in node["required"]:
        yield {"type": ["object"], "properties": {name: _NEVER}}


def _properties(node: Node, context: NegationContext) -> Iterator[Node]:
    for name, child in node["properties"].items():
        yield _has(name, context.negation(child))


def _pattern_properties(node: Node, context: NegationContext) -> Iterator[Node]:
    for pattern, child in node["patternProperties"].items():
        for name in context.names("patternProperties", pattern):
            yield _has(name, context.negation(child))


def _other_properties(keyword: str) -> _Rule:
    def failing(node: Node, context: NegationContext) -> Iterator[Node]:
        for name in context.names(keyword, node):
            yield _has(name, context.negation(node[keyword]))

    return failing


def _unevaluated_items(node: Node, context: NegationContext) -> Iterator[Node]:
    for index in range(4):
        yield _item(index, context.negation(node["unevaluatedItems"]))


def _property_names(node: Node, context: NegationContext) -> Iterator[Node]:
    for name in context.names("propertyNames", node["propertyNames"]):
        yield {"type": ["object"], "required": [name]}


def _dependent_required(node: Node, _: NegationContext) -> Iterator[Node]:
    for name, needed in node["dependentRequired"].items():
        for absent in needed:
            yield {"type": ["object"], "required": [name], "properties": {absent: _NEVER}}


def _dependent_schemas(node: Node, _: NegationContext) -> Iterator[Node]:
    for name, child in node["dependentSchemas"].items():
        yield {"type": ["object"], "required": [name], "not": child}


def _all_of(node: Node, context: NegationContext) -> Iterator[Node]:
    for part in node["allOf"]:
        yield context.negation(part)


def _any_of(node: Node, context: NegationContext) -> Iterator[Node]:
    yield {"allOf": [context.negation(part) for part in node["anyOf"]]}


def _one_of(node: Node, context: NegationContext) -> Iterator[Node]:
    yield {"allOf": [context.negation(part) for part in node["oneOf"]]}
    for pair in islice(combinations(node["oneOf"], 2), _MOST_PAIRS):
        yield {"allOf": list(pair)}


def _not(node: Node, _: NegationContext) -> Iterator[Node]:
    yield node["not"]


def _if(node: Node, context: NegationContext) -> Iterator[Node]:
    if "then" in node:
        yield {"allOf": [node["if"], context.negation(node["then"])]}
    if "else" in node:
        yield {"allOf": [context.negation(node["if"]), context.negation(node["else"])]}


def _ref(node: Node, context: NegationContext) -> Iterator[Node]:
    yield context.negation({"$ref": node["$ref"]})


_NEGATIONS: Final[dict[str, _Rule]] = {
    "type": _type,
    STRICT_INTEGER: _strict_integer,
    "enum": _leaf("enum", None),
    "multipleOf": _leaf("multipleOf", "number"),
    "pattern": _leaf("pattern", "string"),
    "format": _leaf("format", "string"),
    CONTENT: _leaf(CONTENT, "string"),
    "uniqueItems": _leaf("uniqueItems", "array"),
    "minimum": _opposite("number", "minimum", "exclusiveMaximum"),
    "maximum": _opposite("number", "maximum", "exclusiveMinimum"),
    "exclusiveMinimum": _opposite("number", "exclusiveMinimum", "maximum"),
    "exclusiveMaximum": _opposite("number", "exclusiveMaximum", "minimum"),
    "minLength": _opposite("string", "minLength", "maxLength", -1),
    "maxLength": _opposite("string", "maxLength", "minLength", 1),
    "minItems": _opposite("array", "minItems", "maxItems", -1),
    "maxItems": _opposite("array", "maxItems", "minItems", 1),
    "minProperties": _opposite("object", "minProperties", "maxProperties", -1),
    "maxProperties": _opposite("object", "maxProperties", "minProperties", 1),
    "prefixItems": _prefix_items,
    "items": _items,
    "contains": _contains,
    "unevaluatedItems": _unevaluated_items,
    "required": _required,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _other_properties("additionalProperties"),
    "unevaluatedProperties": _other_properties("unevaluatedProperties"),
    "propertyNames": _property_names,
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "$ref": _ref,
}
