"""Proving that all instances of some nodes satisfy another, keyword by keyword.

The proof is structural, so that it follows recursive definitions; what only a calculus of sets can
settle (patterns, unions, negations) goes to the engine, in pieces. ``True`` is certain, ``False``
means "not shown".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, Final

from llm_integrations.core.evolution.model.limits import Clock, Undecidable
from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, json_key, same
from llm_integrations.core.evolution.patterns.languages import NO_TEXT, counterexample
from llm_integrations.core.evolution.proof import (
    rules_arrays,
    rules_combinations,
    rules_objects,
    rules_values,
)
from llm_integrations.core.evolution.proof.constraints import Facts
from llm_integrations.core.evolution.proof.containment import Engine
from llm_integrations.core.evolution.proof.parts import Parts

__all__ = ["Prover", "Rule"]

Rule = Callable[["Prover", Facts, Node], bool]
"""Shows one keyword of a goal from the facts."""

_Key = tuple[frozenset[int], int]

_MOST_NESTED: Final = 60
_MOST_ACTIVE: Final = 110
_MOST_SPLITS: Final = 3
_MOST_CASES: Final = 64
_MOST_VALUES: Final = 500


class Prover:
    """Shows that given nodes imply a goal.

    A goal that comes up again below itself, inside of a smaller part of the instance, may be taken
    for granted (induction over the size of the instance); this is how recursive schemas are
    compared. A conclusion that rests on a goal which then fails is forgotten with it.
    """

    def __init__(self, workspace: Workspace, engine: Engine, clock: Clock) -> None:
        self.workspace = workspace
        self.engine = engine
        self.parts = Parts(workspace, engine)
        self._clock = clock
        self._facts: dict[frozenset[int], Facts] = {}
        self._known: dict[_Key, bool] = {}
        self._active: dict[_Key, int] = {}
        self._assumed: set[_Key] = set()
        self._trail: list[_Key] = []
        self._empty: dict[frozenset[int], bool] = {}
        self._depth = 0
        self._splits = _MOST_SPLITS
        self._cut_short = False

    @property
    def expired(self) -> bool:
        """Whether the time for proofs is over."""
        return self._clock.expired

    def facts(self, given: Sequence[Node]) -> Facts:
        """What is known from the given nodes together."""
        given = [self.workspace.behind(node) for node in given]
        key = frozenset(map(id, given))
        if key not in self._facts:
            self._facts[key] = Facts(given, self.workspace)
        return self._facts[key]

    def inside(self, given: Sequence[Node], goal: Node) -> bool:
        """The same question about a part of the instance."""
        if self._depth > _MOST_NESTED:
            raise Undecidable(f"the schemas nest more than {_MOST_NESTED} levels")
        self._depth += 1
        try:
            return self.proves(given, goal)
        finally:
            self._depth -= 1

    def proves(self, given: Sequence[Node], goal: Node) -> bool:
        """Whether every instance of all given nodes certainly satisfies the goal."""
        goal = self.workspace.behind(goal)
        given = [self.workspace.behind(node) for node in given]
        if not goal or any(same(goal, node) for node in given):
            return True
        key = (frozenset(map(id, given)), id(goal))
        if key in self._known:
            return self._known[key]
        if key in self._active:
            return self._assume(key)
        self._clock.step()
        if len(self._active) > _MOST_ACTIVE:
            raise Undecidable("the schemas lead through too long a chain of questions")
        self._active[key] = self._depth
        mark = len(self._trail)
        before, self._cut_short = self._cut_short, False
        try:
            result = self._decide(self.facts(given), given, goal)
        except BaseException:
            self._forget(mark)
            raise
        finally:
            del self._active[key]
        self._conclude(key, result, mark)
        self._cut_short |= before
        return result

    def _assume(self, key: _Key) -> bool:
        if self._depth <= self._active[key]:
            return False
        self._assumed.add(key)
        return True

    def _conclude(self, key: _Key, result: bool, mark: int) -> None:
        if not result and key in self._assumed:
            self._forget(mark)
        self._assumed.discard(key)
        if result:
            self._trail.append(key)
        if result or not self._cut_short:
            self._known[key] = result

    def _forget(self, mark: int) -> None:
        for dependent in self._trail[mark:]:
            self._known.pop(dependent, None)
        del self._trail[mark:]

    def _decide(self, facts: Facts, given: Sequence[Node], goal: Node) -> bool:
        if facts.impossible or any(same(goal, node) for node in facts.nodes):
            return True
        decided = self._by_values(facts, given, goal)
        if decided is not None:
            return decided
        failed = [k for k in goal if k in RULES and not RULES[k](self, facts, goal)]
        if not failed or self._by_cases(facts, given, goal):
            return True
        return self._by_engine(given, goal, failed)

    def _by_values(self, facts: Facts, given: Sequence[Node], goal: Node) -> bool | None:
        """A goal about a few known values is decided by trying them."""
        values = self.finite_values(facts)
        if values is None or self.workspace.has_unenforced(goal):
            return None
        if goal.keys() == {"enum"}:
            wanted = {json_key(value) for value in goal["enum"]}
            values = [value for value in values if json_key(value) not in wanted]
        return all(
            self.engine.is_valid(goal, value) is True or self._refused(given, value)
            for value in values
        )

    def finite_values(self, facts: Facts) -> list[Any] | None:
        """All values that the facts leave possible, if they are few."""
        if facts.values is not None:
            return facts.values if len(facts.values) <= _MOST_VALUES else None
        if facts.kinds <= {"null", "boolean"}:
            possible: dict[str, list[Any]] = {"null": [None], "boolean": [False, True]}
            return [value for kind in sorted(facts.kinds) for value in possible[kind]]
        low, high = facts.integer_bounds()
        few = low is not None and high is not None and high - low < 32
        if facts.kinds == {"integer"} and low is not None and high is not None and few:
            return list(range(low, high + 1))
        return None

    def _by_cases(self, facts: Facts, given: Sequence[Node], goal: Node) -> bool:
        """Split on what the givens leave open; the goal must hold in each case."""
        splits = list(self.cases(facts, goal))
        if not splits:
            return False
        if self._splits == 0:
            self._cut_short = True
            return False
        # One split is mostly enough; splits within splits multiply, so they come last.
        deep = prod(map(len, splits)) <= _MOST_CASES
        return self._try_splits(splits, given, goal, 0) or (
            deep and self._try_splits(splits, given, goal, self._splits - 1)
        )

    def _try_splits(
        self, splits: list[list[Node]], given: Sequence[Node], goal: Node, left: int
    ) -> bool:
        before, self._splits = self._splits, left
        try:
            return any(all(self.proves((*given, case), goal) for case in cases) for cases in splits)
        finally:
            self._splits = before

    def cases(self, facts: Facts, goal: Node) -> Iterator[list[Node]]:
        """The ways to split: each yields nodes of which one at least must hold."""
        seen = {id(node) for node in facts.nodes}
        for node in facts.nodes:
            for branches in self._alternatives(node):
                if not any(id(branch) in seen for branch in branches):
                    yield branches
        if goal.keys() & {"anyOf", "oneOf", "if", "not"}:
            by_type = self._types(facts)
            if len(by_type) > 1:
                yield by_type

    def _alternatives(self, node: Node) -> Iterator[list[Node]]:
        for keyword in ("anyOf", "oneOf"):
            if keyword in node:
                yield node[keyword]
        if "if" in node:
            condition = node["if"]
            yield [
                self.workspace.both(condition, node.get("then", _ANYTHING)),
                self.workspace.both(
                    self.workspace.negation(condition), node.get("else", _ANYTHING)
                ),
            ]

    def _types(self, facts: Facts) -> list[Node]:
        names: list[str] = [
            k for k in ("null", "boolean", "object", "array", "string") if k in facts.kinds
        ]
        if "fraction" in facts.kinds:
            names.append("number")
        elif "integer" in facts.kinds:
            names.append("integer")
        return [_OF_TYPE[name] for name in names]

    def _by_engine(self, given: Sequence[Node], goal: Node, failed: list[str]) -> bool:
        if any(keyword in _STRUCTURAL for keyword in failed):
            return False
        if any(keyword.startswith("unevaluated") for keyword in failed):
            return self.engine.covers(goal, given)
        wanted = {name for keyword in failed for name in _TOGETHER.get(keyword, (keyword,))}
        return self.engine.covers({k: v for k, v in goal.items() if k in wanted}, given)

    def unsatisfiable(self, given: Sequence[Node]) -> bool:
        """Whether it is certain that no instance satisfies all given nodes."""
        given = [self.workspace.behind(node) for node in given]
        key = frozenset(map(id, given))
        if key not in self._empty:
            self._empty[key] = False
            self._clock.step()
            self._empty[key] = self._is_empty(self.facts(given), given)
        return self._empty[key]

    def _is_empty(self, facts: Facts, given: Sequence[Node]) -> bool:
        return self._is_blatant(facts, given, 3) or self.engine.unsatisfiable(given)

    def is_blatant(self, given: Sequence[Node]) -> bool:
        """Whether it is plain to see, without the engine, that nothing satisfies the nodes."""
        return self._is_blatant(self.facts(given), given, 3)

    def _is_blatant(self, facts: Facts, given: Sequence[Node], levels: int) -> bool:
        if facts.impossible:
            return True
        if facts.values is not None and len(facts.values) <= _MOST_VALUES:
            return all(self._refused(given, value) for value in facts.values)
        if facts.kinds == {"string"} and len(facts.patterns) > 1:
            return counterexample(facts.text, NO_TEXT) is None
        if facts.kinds != {"object"} or levels == 0:
            return False
        return any(
            self._is_blatant(self.facts(nodes), nodes, levels - 1)
            for name in sorted(facts.required)
            if (nodes := self.parts.property_nodes(facts, name))
        )

    def _refused(self, given: Sequence[Node], value: Any) -> bool:
        return any(self.engine.is_valid(node, value) is False for node in given)


_ANYTHING: Final[Node] = {}
_OF_TYPE: Final[dict[str, Node]] = {
    name: {"type": [name]}
    for name in ("null", "boolean", "object", "array", "string", "number", "integer")
}

RULES: Final[dict[str, Rule]] = {
    **rules_values.RULES,
    **rules_objects.RULES,
    **rules_arrays.RULES,
    **rules_combinations.RULES,
}
"""Keyword to rule. A keyword without one is read together with another."""

_STRUCTURAL: Final = frozenset(
    [
        "type",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "required",
        "minProperties",
        "maxProperties",
        "properties",
        "additionalProperties",
        "items",
        "prefixItems",
        "allOf",
        "$ref",
        "dependentRequired",
        "!integer",
        "!content",
    ]
)
"""Keywords for which the rules are as good as exact; the engine would only say the same."""

_TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    "contains": ("contains", "minContains", "maxContains"),
    "if": ("if", "then", "else"),
}
