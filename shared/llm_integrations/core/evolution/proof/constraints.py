"""The constraints on an instance that satisfies several nodes at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.normal_form.nodes import (
    STRICT_INTEGER,
    Node,
    Workspace,
    is_false,
    json_key,
    same,
)
from llm_integrations.core.evolution.patterns.languages import Inclusion, TextConstraints, inclusion

__all__ = ["ALL_KINDS", "NUMERIC", "Bound", "Constraints", "kind_of", "kinds_of"]

ALL_KINDS: Final = frozenset(
    ["null", "boolean", "object", "array", "string", "integer", "fraction"]
)
"""The JSON types, with numbers split into whole ones and the rest."""

NUMERIC: Final = frozenset({"integer", "fraction"})
_KINDS: Final = {kind: frozenset({kind}) for kind in ALL_KINDS} | {"number": NUMERIC}

_MOST_COMPARED: Final = 500
_TEXT_STEPS_IN_ONE: Final = 4
"""Steps of a search through texts are smaller than those of a proof."""

Bound = tuple[Any, bool]
"""A number, and whether it is excluded itself."""


def kinds_of(types: Iterable[str]) -> frozenset[str]:
    """The kinds that the names of ``type`` stand for."""
    return frozenset().union(*(_KINDS[name] for name in types))


def kind_of(value: Any) -> str:
    """The kind of a JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case dict():
            return "object"
        case list() | tuple():
            return "array"
        case int():
            return "integer"
    return "integer" if math.isfinite(value) and float(value).is_integer() else "fraction"


class Constraints:
    """Nodes taken together: flattened through ``$ref`` and ``allOf``, their bounds merged.

    Attributes:
        nodes: what must hold, each once.
        kinds: the kinds that an instance can be; empty when nothing can satisfy the nodes.
        values: the only values possible, or None when there are more than can be listed.
        required: names of properties that an object must have.
    """

    def __init__(self, nodes: Iterable[Node], workspace: Workspace) -> None:
        self.nodes: list[Node] = []
        self.kinds = ALL_KINDS
        self.values: list[Any] | None = None
        self.required: set[str] = set()
        self.lower: Bound | None = None
        self.upper: Bound | None = None
        self.multiples: list[Any] = []
        self.counts: dict[str, int] = {}
        self.patterns: set[str] = set()
        self.formats: set[str] = set()
        self.negated: list[Node] = []
        self.unique = False
        self.strict_integer = False
        self._workspace = workspace
        self._seen: set[int] = set()
        for node in nodes:
            self._take(node)
        self._close_required()
        self._prune()

    def _take(self, start: Node) -> None:
        stack = [start]
        while stack:
            node = stack.pop()
            if id(node) in self._seen:
                continue
            self._seen.add(id(node))
            target = self._workspace.target(node)
            if target is not None:
                stack.append(target)
            if "allOf" in node:
                stack.extend(node["allOf"])
            self._workspace.budget.spend(1 + len(node))
            self.nodes.append(node)
            for keyword, value in node.items():
                if keyword in _MERGED:
                    _MERGED[keyword](self, keyword, value)

    def _close_required(self) -> None:
        """What is required brings its dependencies, until nothing is added."""
        if not self.required:
            return
        before = -1
        while before != len(self.nodes):
            before = len(self.nodes)
            self._close_names()
            # What is no object has no properties, whatever is required of objects.
            for node in self.nodes[:] if self.kinds == {"object"} else ():
                schemas = node.get("dependentSchemas", {})
                self._workspace.budget.spend(1 + len(schemas))
                for name in self.required & schemas.keys():
                    self._take(schemas[name])

    def _close_names(self) -> None:
        depending = [n["dependentRequired"] for n in self.nodes if "dependentRequired" in n]
        waiting = list(self.required) if depending else []
        while waiting:
            name = waiting.pop()
            self._workspace.budget.spend(len(depending))
            for needed in depending:
                further = set(needed.get(name, ())) - self.required
                self._workspace.budget.spend(len(further))
                self.required |= further
                waiting.extend(further)

    def _prune(self) -> None:
        """Remove the kinds that the bounds leave no room for."""
        gone: set[str] = set()
        if self.lower is not None and _empty_interval(self.lower, self.upper):
            gone |= NUMERIC
        if self.counts:
            gone |= self._impossible_counts()
        if self.required and self.refuses_one_of(self.required):
            gone.add("object")
        if self.negated and (self._contradicts() or any(map(is_false, self.nodes))):
            gone |= ALL_KINDS
        for node in map(self._workspace.resolved, self.negated):
            gone |= _excluded_kinds(node)
        self.kinds -= gone
        if self.values is not None:
            self.values = [value for value in self.values if kind_of(value) in self.kinds]
            self.kinds &= {kind_of(value) for value in self.values}

    def _impossible_counts(self) -> set[str]:
        fewest = max(self.count("minProperties", 0), len(self.required))
        lengths = {
            "string": (self.count("minLength", 0), self.count("maxLength", math.inf)),
            "array": (self.count("minItems", 0), self.count("maxItems", math.inf)),
            "object": (fewest, self._most_properties() if fewest else math.inf),
        }
        return {kind for kind, (least, most) in lengths.items() if least > most}

    def _most_properties(self) -> float:
        """How many properties an object can have at the most, by counts and by what is declared."""
        closed = (node for node in self.nodes if is_false(node.get("additionalProperties", {})))
        declared = (
            len(node.get("properties", ())) for node in closed if not node.get("patternProperties")
        )
        return min(self.count("maxProperties", math.inf), *declared, math.inf)

    def refuses_one_of(self, names: Iterable[str]) -> bool:
        """Whether an object certainly lacks one of some properties."""
        closed = [n for n in self.nodes if "properties" in n or "additionalProperties" in n]
        self._workspace.budget.spend(len(closed))
        return any(_refuses(node, name) for name in names for node in closed)

    def excludes(self, other: Constraints) -> bool:
        """Whether no object satisfies both, since one lacks what the other requires."""
        return self.refuses_one_of(other.required) or other.refuses_one_of(self.required)

    def _contradicts(self) -> bool:
        if any(not self._workspace.resolved(refused) for refused in self.negated):
            return True  # nothing fails what demands nothing
        if any(id(self._workspace.resolved(refused)) in self._seen for refused in self.negated):
            return True
        if len(self.negated) * len(self.nodes) > _MOST_COMPARED:
            return False
        return any(same(refused, node) for refused in self.negated for node in self.nodes)

    @property
    def impossible(self) -> bool:
        """Whether it is certain that no instance satisfies the nodes."""
        return not self.kinds

    def count(self, keyword: str, default: float) -> float:
        """The merged value of a keyword that counts, as ``maxLength``."""
        return self.counts.get(keyword, default)

    @property
    def text(self) -> TextConstraints:
        """The constraints on strings."""
        most = self.counts.get("maxLength")
        return TextConstraints(tuple(sorted(self.patterns)), self.counts.get("minLength", 0), most)

    def inclusion(self, goal: TextConstraints) -> Inclusion:
        """Whether all strings possible satisfy the goal."""
        found = inclusion(self.text, goal)
        self._workspace.budget.spend(found.steps // _TEXT_STEPS_IN_ONE)
        return found

    def implies_text(self, goal: TextConstraints) -> bool:
        """Whether it is certain that all strings possible satisfy the goal."""
        return self.inclusion(goal).holds is Answer.YES

    def integer_bounds(self) -> tuple[int | None, int | None]:
        """The smallest and the largest whole number possible, as far as bounds say."""
        low = high = None
        if self.lower is not None:
            low = math.ceil(Fraction(self.lower[0]))
            low += int(self.lower[1] and low == self.lower[0])
        if self.upper is not None:
            high = math.floor(Fraction(self.upper[0]))
            high -= int(self.upper[1] and high == self.upper[0])
        return low, high

    def _type(self, _: str, names: list[str]) -> None:
        self.kinds &= kinds_of(names)

    def _enum(self, _: str, values: list[Any]) -> None:
        self._workspace.budget.spend(len(values))
        if self.values is None:
            self.values = values
        else:
            keys = {json_key(value) for value in values}
            self.values = [value for value in self.values if json_key(value) in keys]

    def _required(self, _: str, names: list[str]) -> None:
        self._workspace.budget.spend(len(names))
        self.required.update(names)

    def _minimum(self, keyword: str, value: Any) -> None:
        self.lower = max((self.lower, (value, keyword != "minimum")), key=_lower_order)

    def _maximum(self, keyword: str, value: Any) -> None:
        self.upper = min((self.upper, (value, keyword != "maximum")), key=_upper_order)

    def _at_least(self, keyword: str, value: int) -> None:
        self.counts[keyword] = max(value, self.counts.get(keyword, 0))

    def _at_most(self, keyword: str, value: int) -> None:
        self.counts[keyword] = min(value, self.counts.get(keyword, value))

    def _flag(self, keyword: str, value: bool) -> None:
        if keyword == STRICT_INTEGER:
            self.strict_integer |= value
        else:
            self.unique |= value


def _excluded_kinds(refused: Node) -> frozenset[str]:
    """The kinds of which all values are refused: by type, or whole numbers as multiples of what
    divides 1."""
    if refused.keys() == {"type"}:
        return kinds_of(refused["type"])
    if refused.keys() != {"multipleOf"}:
        return frozenset()
    divides = (1 / Fraction(str(refused["multipleOf"]))).denominator == 1
    return frozenset({"integer"} if divides else ())


def _refuses(node: Node, name: str) -> bool:
    if name in node.get("properties", ()):
        return is_false(node["properties"][name])
    closed = is_false(node.get("additionalProperties", {}))
    return closed and not node.get("patternProperties")


def _lower_order(bound: Bound | None) -> tuple[int, Any, bool]:
    return (0, 0, False) if bound is None else (1, bound[0], bound[1])


def _upper_order(bound: Bound | None) -> tuple[int, Any, bool]:
    return (1, 0, False) if bound is None else (0, bound[0], not bound[1])


def _empty_interval(lower: Bound | None, upper: Bound | None) -> bool:
    if lower is None or upper is None:
        return False
    return bool(lower[0] > upper[0] or (lower[0] == upper[0] and (lower[1] or upper[1])))


_Merger = Callable[[Constraints, str, Any], None]

_MERGED: Final[dict[str, _Merger]] = {
    "type": Constraints._type,
    "enum": Constraints._enum,
    **dict.fromkeys(("minimum", "exclusiveMinimum"), Constraints._minimum),
    **dict.fromkeys(("maximum", "exclusiveMaximum"), Constraints._maximum),
    **dict.fromkeys(("minLength", "minItems", "minProperties"), Constraints._at_least),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties"), Constraints._at_most),
    **dict.fromkeys(("uniqueItems", STRICT_INTEGER), Constraints._flag),
    "required": Constraints._required,
    "pattern": lambda constraints, _, pattern: constraints.patterns.add(pattern),
    "format": lambda constraints, _, name: constraints.formats.add(name),
    "multipleOf": lambda constraints, _, value: constraints.multiples.append(value),
    "not": lambda constraints, _, node: constraints.negated.append(node),
}
"""How a keyword's value joins those of other nodes."""
