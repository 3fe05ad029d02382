"""Random schemas, edits of them, and instances: made without the code under test."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["DRAFTS", "SchemaMaker", "edit", "mutations", "scramble"]

Schema = Any

DRAFTS = {
    4: "http://json-schema.org/draft-04/schema#",
    6: "http://json-schema.org/draft-06/schema#",
    7: "http://json-schema.org/draft-07/schema#",
    2019: "https://json-schema.org/draft/2019-09/schema",
    2020: "https://json-schema.org/draft/2020-12/schema",
}
NAMES = ["a", "b", "c", "ab", "x1"]
PATTERNS = ["^a", "b$", "^[ab]+$", "^x[0-9]$", "1", "^.{2}$"]
STRINGS = ["", "a", "b", "ab", "aa", "x1", "1", "é", "abc", "2026-01-31", "ada@example.com"]
NUMBERS = [0, 1, 2, 3, -1, 5, 10, 0.5, 1.5, 2.0, -0.5, 1e3, 7]
SCALARS = [*STRINGS, *NUMBERS, True, False, None]
FORMATS = ["date", "email", "ipv4", "uuid", "nonsense"]
TYPES = ["string", "integer", "number", "boolean", "null", "object", "array"]


@dataclass
class SchemaMaker:
    """Makes schemas of one draft; the same random state makes the same schema."""

    rng: random.Random
    draft: int = 2020
    depth: int = 3

    def document(self) -> Schema:
        """A whole schema, with definitions that may refer to each other."""
        body = self.schema(self.depth, top=True)
        names = [f"d{i}" for i in range(self.rng.choice([0, 0, 1, 2]))]
        if names:
            body[self._definitions] = {n: self.schema(self.depth - 1, names) for n in names}
            self._insert_references(body, names)
        return {"$schema": DRAFTS[self.draft], **body}

    @property
    def _definitions(self) -> str:
        return "$defs" if self.draft >= 2019 else "definitions"

    def _insert_references(self, body: Schema, names: list[str]) -> None:
        body.setdefault("properties", {})[self.rng.choice(NAMES)] = self._reference(names)

    def _reference(self, names: list[str]) -> Schema:
        return {"$ref": f"#/{self._definitions}/{self.rng.choice(names)}"}

    def schema(self, depth: int, names: list[str] | None = None, *, top: bool = False) -> Schema:
        """One schema with at most ``depth`` levels below it."""
        rng = self.rng
        if names and rng.random() < 0.25:
            return self._reference(names)
        if not top and self.draft > 4 and rng.random() < 0.06:
            return rng.choice([True, False, True])
        made: Schema = {}
        if rng.random() < 0.85:
            made["type"] = self._type(depth)
        shown = made.get("type", TYPES)
        types = shown if isinstance(shown, list) else [shown]
        for name in types if len(types) < 4 else rng.sample(types, 2):
            self.constrain(made, name, depth, names)
        if rng.random() < 0.12:
            made["enum"] = [copy.deepcopy(v) for v in rng.sample(SCALARS, rng.randint(1, 4))]
            made["enum"] = _distinct(made["enum"])
        if depth > 0 and rng.random() < 0.3:
            self._combine(made, depth, names)
        return made

    def _type(self, depth: int) -> Any:
        rng = self.rng
        pool = TYPES if depth > 0 else TYPES[:5]
        if depth > 0 and rng.random() < 0.45:
            return rng.choice(["object", "object", "array"])
        if rng.random() < 0.2:
            return rng.sample(pool, 2)
        return rng.choice(pool)

    def constrain(self, made: Schema, name: str, depth: int, names: list[str] | None) -> None:
        if name in ("integer", "number"):
            self._number(made)
        elif name == "string":
            self._string(made)
        elif name == "array" and depth > 0:
            self._array(made, depth, names)
        elif name == "object" and depth > 0:
            self._object(made, depth, names)

    def _number(self, made: Schema) -> None:
        rng = self.rng
        if rng.random() < 0.4:
            made["minimum"] = rng.choice([-1, 0, 1, 0.5, 2])
            if self.draft == 4 and rng.random() < 0.3:
                made["exclusiveMinimum"] = True
        if rng.random() < 0.3:
            made["maximum"] = rng.choice([1, 2, 3, 2.5, 10])
        if rng.random() < 0.15 and self.draft > 4:
            made["exclusiveMinimum"] = rng.choice([-1, 0, 0.5, 1])
        if rng.random() < 0.15 and self.draft > 4:
            made["exclusiveMaximum"] = rng.choice([1, 2, 3.5, 5])
        if rng.random() < 0.15:
            made["multipleOf"] = rng.choice([1, 2, 3, 0.5])

    def _string(self, made: Schema) -> None:
        rng = self.rng
        if rng.random() < 0.25:
            made["minLength"] = rng.choice([0, 1, 2])
        if rng.random() < 0.25:
            made["maxLength"] = rng.choice([0, 1, 2, 3, 10])
        if rng.random() < 0.2:
            made["pattern"] = rng.choice(PATTERNS)
        if rng.random() < 0.12:
            made["format"] = rng.choice(FORMATS)

    def _array(self, made: Schema, depth: int, names: list[str] | None) -> None:
        rng = self.rng
        child: Callable[[], Schema] = partial(self.schema, depth - 1, names)
        if rng.random() < 0.25:
            listed = [child() for _ in range(rng.randint(1, 2))]
            if self.draft >= 2020:
                made["prefixItems"] = listed
            else:
                made["items"] = listed
                if rng.random() < 0.5:
                    made["additionalItems"] = child()
        if "items" not in made and rng.random() < 0.6:
            made["items"] = child()
        self._count_items(made, child)

    def _count_items(self, made: Schema, child: Callable[[], Schema]) -> None:
        rng = self.rng
        if rng.random() < 0.2:
            made["minItems"] = rng.choice([0, 1, 2])
        if rng.random() < 0.2:
            made["maxItems"] = rng.choice([0, 1, 2, 3])
        if rng.random() < 0.15:
            made["uniqueItems"] = rng.choice([True, True, False])
        if self.draft > 4 and rng.random() < 0.15:
            made["contains"] = child()
            if self.draft >= 2019 and rng.random() < 0.4:
                made[rng.choice(["minContains", "maxContains"])] = rng.choice([0, 1, 2])
        if self.draft >= 2019 and rng.random() < 0.06:
            made["unevaluatedItems"] = rng.choice([False, child()])

    def _object(self, made: Schema, depth: int, names: list[str] | None) -> None:
        rng = self.rng
        child: Callable[[], Schema] = partial(self.schema, depth - 1, names)
        if rng.random() < 0.8:
            chosen = rng.sample(NAMES, rng.randint(1, 3))
            made["properties"] = {name: child() for name in chosen}
        if rng.random() < 0.4:
            made["required"] = rng.sample(NAMES, rng.randint(1, 2))
        if rng.random() < 0.35:
            closed: Schema = False
            made["additionalProperties"] = rng.choice([closed, closed, child()])
        if rng.random() < 0.15:
            made["patternProperties"] = {rng.choice(PATTERNS): child()}
        if self.draft > 4 and rng.random() < 0.08:
            made["propertyNames"] = rng.choice(
                [{"pattern": rng.choice(PATTERNS)}, {"maxLength": 1}, {"enum": ["a", "b", "x1"]}]
            )
        if rng.random() < 0.12:
            made["minProperties"] = rng.choice([0, 1, 2])
        if rng.random() < 0.12:
            made["maxProperties"] = rng.choice([0, 1, 2, 3])
        self._depend(made, child)
        if self.draft >= 2019 and rng.random() < 0.08:
            made["unevaluatedProperties"] = rng.choice([False, child()])

    def _depend(self, made: Schema, child: Callable[[], Schema]) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            name, needed = rng.choice(NAMES), rng.sample(NAMES, 1)
            keyword = "dependentRequired" if self.draft >= 2019 else "dependencies"
            made[keyword] = {name: needed}
        if rng.random() < 0.06:
            keyword = "dependentSchemas" if self.draft >= 2019 else "dependencies"
            made.setdefault(keyword, {})[rng.choice(NAMES)] = child()

    def _combine(self, made: Schema, depth: int, names: list[str] | None) -> None:
        rng = self.rng
        child: Callable[[], Schema] = partial(self.schema, depth - 1, names)
        keyword = rng.choice(["allOf", "anyOf", "anyOf", "oneOf", "oneOf", "not", "if"])
        if keyword == "not":
            made["not"] = child()
        elif keyword == "if":
            if self.draft >= 7:
                made |= {"if": child(), "then": child()}
                if rng.random() < 0.5:
                    made["else"] = child()
        else:
            made[keyword] = [child() for _ in range(rng.randint(1, 3))]


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        same = any(value == v and isinstance(value, bool) == isinstance(v, bool) for v in found)
        if not same:
            found.append(value)
    return found


def edit(schema: Schema, maker: SchemaMaker) -> Schema:
    """A copy with one to three changes, more of them loosening than tightening."""
    made = copy.deepcopy(schema)
    for _ in range(maker.rng.choice([1, 2, 3, 5, 8])):
        places = list(_places(made))
        if not places:
            return made
        _edit_one(maker.rng.choice(places), maker)
    return made


def _places(schema: Schema) -> Iterator[Schema]:
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "$ref" not in node:
                yield node
            for keyword, value in node.items():
                if keyword in ("enum", "const", "required", "type"):
                    continue
                if isinstance(value, dict):
                    holds = keyword in (
                        "properties",
                        "patternProperties",
                        "definitions",
                        "$defs",
                        "dependentSchemas",
                        "dependencies",
                        "dependentRequired",
                    )
                    stack.extend(value.values() if holds else [value])
                elif isinstance(value, list):
                    stack.extend(item for item in value if isinstance(item, dict))


def _edit_one(node: Schema, maker: SchemaMaker) -> None:
    rng = maker.rng
    removable = [k for k in node if k not in ("$schema", "$defs", "definitions", "$ref")]
    kind = rng.choice(
        [
            "drop",
            "bound",
            "bound",
            "enum",
            "type",
            "property",
            "union",
            "required",
            "close",
            "open",
            "fresh",
            "constrain",
        ]
    )
    if kind == "drop" and removable:
        _drop(node, rng.choice(removable))
    elif kind == "bound":
        _shift(node, rng)
    elif kind in ("close", "open", "required", "property"):
        _edit_object(node, kind, maker)
    elif kind == "constrain":
        maker.constrain(node, rng.choice(TYPES), 1, None)
        if maker.draft >= 2020 and isinstance(node.get("items"), list):
            del node["items"]
    else:
        _edit_choice(node, kind, maker)


def _edit_object(node: Schema, kind: str, maker: SchemaMaker) -> None:
    if kind == "property" and node.get("properties"):
        node["properties"][maker.rng.choice(NAMES)] = maker.schema(1)
    elif kind == "required" and node.get("required"):
        node["required"] = node["required"][1:] or ["a"]
    elif kind == "close" and "properties" in node:
        node["additionalProperties"] = False
    elif kind == "open":
        node.pop("additionalProperties", None)


def _edit_choice(node: Schema, kind: str, maker: SchemaMaker) -> None:
    rng = maker.rng
    if kind == "enum" and "enum" in node:
        node["enum"] = _distinct([*node["enum"], *rng.sample(SCALARS, 2)])
    elif kind == "type" and "type" in node:
        names = node["type"] if isinstance(node["type"], list) else [node["type"]]
        node["type"] = sorted({*names, rng.choice(TYPES)})
    elif kind == "union" and rng.random() < 0.5:
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                node[keyword] = [*node[keyword], maker.schema(1)]


def _drop(node: Schema, keyword: str) -> None:
    node.pop(keyword, None)
    if keyword == "minimum" and node.get("exclusiveMinimum") is True:
        del node["exclusiveMinimum"]


def _shift(node: Schema, rng: random.Random) -> None:
    for keyword in list(node):
        value = node[keyword]
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        lower = keyword.startswith(("min", "exclusiveMin"))
        if keyword == "multipleOf":
            node[keyword] = rng.choice([1, 0.5, 4])
        elif keyword[3:] in ("Length", "Items", "Properties", "Contains"):
            step = rng.choice([-1, 1, -1 if lower else 1])
            node[keyword] = max(0, int(value) + step)
        else:
            node[keyword] = value + rng.choice([-1, 1, -1 if lower else 1])


def scramble(rng: random.Random, depth: int = 2) -> Any:
    """Any JSON value made of what the schemas are made of."""
    roll = rng.random()
    if depth == 0 or roll < 0.4:
        return copy.deepcopy(rng.choice(SCALARS))
    if roll < 0.75:
        names = rng.sample(NAMES, rng.randint(0, 3))
        return {name: scramble(rng, depth - 1) for name in names}
    return [scramble(rng, depth - 1) for _ in range(rng.randint(0, 3))]


def mutations(value: Any, rng: random.Random, count: int) -> Iterator[Any]:
    """Values near to one: a part replaced, dropped or added."""
    for _ in range(count):
        made = copy.deepcopy(value)
        yield _mutated(made, rng)


def _mutated(value: Any, rng: random.Random) -> Any:
    roll = rng.random()
    if isinstance(value, dict) and roll < 0.85:
        return _mutated_object(value, rng)
    if isinstance(value, list) and roll < 0.85:
        return _mutated_array(value, rng)
    if isinstance(value, int | float) and not isinstance(value, bool) and roll < 0.6:
        return value + rng.choice([1, -1, 0.5, 2])
    if isinstance(value, str) and roll < 0.6:
        return rng.choice([value + "a", value[:-1], value + "1", "b" + value])
    return scramble(rng, 1)


def _mutated_object(value: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    name = rng.choice(NAMES)
    if value and rng.random() < 0.6:
        chosen = rng.choice(sorted(value))
        value[chosen] = _mutated(value[chosen], rng)
    elif value and rng.random() < 0.4:
        del value[rng.choice(sorted(value))]
    else:
        value[name] = scramble(rng, 1)
    return value


def _mutated_array(value: list[Any], rng: random.Random) -> list[Any]:
    if value and rng.random() < 0.6:
        index = rng.randrange(len(value))
        value[index] = _mutated(value[index], rng)
    elif value and rng.random() < 0.4:
        value.pop()
    else:
        value.append(scramble(rng, 1))
    return value
