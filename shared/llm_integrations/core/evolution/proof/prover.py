"""Proving that all instances of some nodes satisfy another, keyword by keyword.

The proof is structural, so that it follows recursive definitions; what only a calculus of sets can
settle (patterns, unions, negations) goes to the containment oracle, in pieces. ``True`` is
certain, ``False`` means "not shown".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.normal_form.nodes import (
    CONTENT,
    STRICT_INTEGER,
    Node,
    Workspace,
    json_key,
    same,
)
from llm_integrations.core.evolution.patterns.languages import NO_TEXT
from llm_integrations.core.evolution.proof import (
    rules_arrays,
    rules_combinations,
    rules_objects,
    rules_values,
)
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle
from llm_integrations.core.evolution.proof.reasoner import Rule
from llm_integrations.core.evolution.proof.tagged_unions import TaggedUnions

__all__ = ["RULES", "Prover"]

_Key = tuple[frozenset[int], int]

_MOST_NESTED: Final = 60
_MOST_ACTIVE: Final = 110
_MOST_SPLITS: Final = 3
_MOST_CASES: Final = 64
_MOST_VALUES: Final = 500


class Prover:
    """Shows that premises imply a goal.

    A goal that comes up again below itself, inside of a smaller part of the instance, may be taken
    for granted (induction over the size of the instance); this is how recursive schemas are
    compared. A conclusion that rests on a goal which then fails is forgotten with it.
    """

    def __init__(self, workspace: Workspace, oracle: ContainmentOracle) -> None:
        self.workspace = workspace
        self.oracle = oracle
        self.children = ChildSchemas(workspace, oracle)
        self.unions = TaggedUnions(self.constraints, self.children)
        self._budget = workspace.budget
        self._constraints: dict[frozenset[int], Constraints] = {}
        self._known: dict[_Key, bool] = {}
        self._active: dict[_Key, int] = {}
        self._assumed: set[_Key] = set()
        self._trail: list[_Key] = []
        self._empty: dict[frozenset[int], bool] = {}
        self._depth = 0
        self._splits = _MOST_SPLITS
        self._cut_short = False

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left of the budget."""
        return self._budget.exhausted

    def constraints(self, premises: Sequence[Node]) -> Constraints:
        """What all premises together demand of an instance."""
        self._budget.spend(1 + len(premises))
        premises = [self.workspace.resolved(node) for node in premises]
        key = frozenset(map(id, premises))
        if key not in self._constraints:
            self._constraints[key] = Constraints(premises, self.workspace)
        return self._constraints[key]

    def proves_child(self, premises: Sequence[Node], goal: Node) -> bool:
        """The same question about a child of the instance: a property or an item."""
        if self._depth > _MOST_NESTED:
            raise Undecidable(f"the schemas nest more than {_MOST_NESTED} levels")
        self._depth += 1
        try:
            return self.proves(premises, goal)
        finally:
            self._depth -= 1

    def proves(self, premises: Sequence[Node], goal: Node) -> bool:
        """Whether every instance of all premises certainly satisfies the goal."""
        self._budget.spend(1 + len(premises))
        goal = self.workspace.resolved(goal)
        premises = [self.workspace.resolved(node) for node in premises]
        if not goal or any(same(goal, node) for node in premises):
            return True
        key = (self._identities(premises), id(self.workspace.canonical(goal)))
        if key in self._known:
            return self._known[key]
        if key in self._active:
            return self._assume(key)
        if len(self._active) > _MOST_ACTIVE:
            raise Undecidable("the schemas lead through too long a chain of questions")
        self._active[key] = self._depth
        mark = len(self._trail)
        before, self._cut_short = self._cut_short, False
        try:
            result = self._decide(self.constraints(premises), premises, goal)
        except BaseException:
            self._forget(mark)
            raise
        finally:
            del self._active[key]
        self._conclude(key, result, mark)
        self._cut_short |= before
        return result

    def _identities(self, premises: Sequence[Node]) -> frozenset[int]:
        """The same for premises that say the same, wherever they are written."""
        return frozenset(id(self.workspace.canonical(node)) for node in premises)

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

    def _decide(self, constraints: Constraints, premises: Sequence[Node], goal: Node) -> bool:
        self._budget.spend(len(constraints.nodes))
        if constraints.impossible or any(same(goal, node) for node in constraints.nodes):
            return True
        decided = self._by_values(constraints, premises, goal)
        if decided is not Answer.UNKNOWN:
            return decided is Answer.YES
        failed = [k for k in goal if k in RULES and not RULES[k](self, constraints, goal)]
        if not failed or self._concerns_no_value(constraints, failed):
            return True
        if self._by_cases(constraints, premises, goal):
            return True
        return self._by_oracle(premises, goal, failed)

    def _concerns_no_value(self, constraints: Constraints, failed: list[str]) -> bool:
        """Whether the failed keywords speak of objects alone, or all values are objects, and no
        object has all the properties that are required of it."""
        about_objects = constraints.kinds == {"object"} or rules_objects.RULES.keys() >= {*failed}
        return about_objects and any(
            self.constraints(nodes).impossible
            for name in sorted(constraints.required)
            if (nodes := self.children.property_nodes(constraints, name))
        )

    def _by_values(self, constraints: Constraints, premises: Sequence[Node], goal: Node) -> Answer:
        """Try the values, where the constraints leave few of them; else unknown."""
        values = self.finite_values(constraints)
        if values is None or self.workspace.has_unenforced(goal):
            return Answer.UNKNOWN
        if goal.keys() == {"enum"}:
            wanted = {json_key(value) for value in goal["enum"]}
            values = [value for value in values if json_key(value) not in wanted]
        return Answer.of(
            all(
                self.oracle.is_valid(goal, value) is Answer.YES or self._refused(premises, value)
                for value in values
            )
        )

    def finite_values(self, constraints: Constraints) -> list[Any] | None:
        """All values that the constraints leave possible; None when they are not few."""
        if constraints.values is not None:
            return constraints.values if len(constraints.values) <= _MOST_VALUES else None
        if constraints.kinds <= {"null", "boolean"}:
            possible: dict[str, list[Any]] = {"null": [None], "boolean": [False, True]}
            return [value for kind in sorted(constraints.kinds) for value in possible[kind]]
        low, high = constraints.integer_bounds()
        few = low is not None and high is not None and high - low < 32
        if constraints.kinds == {"integer"} and low is not None and high is not None and few:
            return list(range(low, high + 1))
        return None

    def _by_cases(self, constraints: Constraints, premises: Sequence[Node], goal: Node) -> bool:
        """Split on what the premises leave open; the goal must hold in each case."""
        splits = list(self.cases(constraints, goal))
        if not splits:
            return False
        if self._splits == 0:
            self._cut_short = True
            return False
        # One split is mostly enough; splits within splits multiply, so they come last.
        deep = prod(map(len, splits)) <= _MOST_CASES
        return self._try_splits(splits, premises, goal, 0) or (
            deep and self._try_splits(splits, premises, goal, self._splits - 1)
        )

    def _try_splits(
        self, splits: list[list[Node]], premises: Sequence[Node], goal: Node, left: int
    ) -> bool:
        before, self._splits = self._splits, left
        try:
            return any(
                all(self.proves((*premises, case), goal) for case in cases) for cases in splits
            )
        finally:
            self._splits = before

    def cases(self, constraints: Constraints, goal: Node) -> Iterator[list[Node]]:
        """The ways to split: each yields nodes of which one at least must hold."""
        seen = {id(node) for node in constraints.nodes}
        for node in constraints.nodes:
            for branches in self._alternatives(node):
                self._budget.spend(len(branches))
                if not any(id(self.workspace.resolved(branch)) in seen for branch in branches):
                    yield branches
        if goal.keys() & {"anyOf", "oneOf", "if", "not"}:
            by_type = self._types(constraints)
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

    def _types(self, constraints: Constraints) -> list[Node]:
        names: list[str] = [
            k for k in ("null", "boolean", "object", "array", "string") if k in constraints.kinds
        ]
        if "fraction" in constraints.kinds:
            names.append("number")
        elif "integer" in constraints.kinds:
            names.append("integer")
        return [_OF_TYPE[name] for name in names]

    def _by_oracle(self, premises: Sequence[Node], goal: Node, failed: list[str]) -> bool:
        if any(keyword in _STRUCTURAL for keyword in failed):
            return False
        if any(keyword.startswith("unevaluated") for keyword in failed):
            return self.oracle.covers(goal, premises)
        wanted = {name for keyword in failed for name in _TOGETHER.get(keyword, (keyword,))}
        return self.oracle.covers({k: v for k, v in goal.items() if k in wanted}, premises)

    def unsatisfiable(self, premises: Sequence[Node]) -> bool:
        """Whether it is certain that no instance satisfies all premises."""
        premises = [self.workspace.resolved(node) for node in premises]
        key = self._identities(premises)
        if key not in self._empty:
            self._empty[key] = False
            self._empty[key] = self._is_empty(self.constraints(premises), premises)
        return self._empty[key]

    def _is_empty(self, constraints: Constraints, premises: Sequence[Node]) -> bool:
        return self._is_plainly_empty(constraints, premises, 3) or self.oracle.unsatisfiable(
            premises
        )

    def is_plainly_empty(self, premises: Sequence[Node]) -> bool:
        """Whether it is plain to see, without the oracle, that nothing satisfies the premises."""
        return self._is_plainly_empty(self.constraints(premises), premises, 3)

    def _is_plainly_empty(
        self, constraints: Constraints, premises: Sequence[Node], levels: int
    ) -> bool:
        if constraints.impossible:
            return True
        if constraints.values is not None and len(constraints.values) <= _MOST_VALUES:
            return all(self._refused(premises, value) for value in constraints.values)
        if (
            constraints.kinds == {"string"}
            and len(constraints.patterns) + len(constraints.counts) > 1
        ):
            return constraints.implies_text(NO_TEXT)
        if constraints.kinds != {"object"} or levels == 0:
            return False
        return any(
            self._is_plainly_empty(self.constraints(nodes), nodes, levels - 1)
            for name in sorted(constraints.required)
            if (nodes := self.children.property_nodes(constraints, name))
        )

    def _refused(self, premises: Sequence[Node], value: Any) -> bool:
        return any(self.oracle.refuses(node, value) for node in premises)


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
    {
        *("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        *("required", "properties", "additionalProperties", "dependentRequired"),
        *("items", "prefixItems", "allOf", "$ref", STRICT_INTEGER, CONTENT),
    }
)
"""Keywords for which the rules are as good as exact; the oracle would only say the same."""

_TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    "contains": ("contains", "minContains", "maxContains"),
    "if": ("if", "then", "else"),
}
