"""What can be done to old data by a program, place by place, to bring it under a new schema."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from llm_integrations.core.evolution.differences.branches import match_branches
from llm_integrations.core.evolution.differences.renames import pair_renames
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, json_key, same
from llm_integrations.core.evolution.proof.constraints import NUMERIC, Constraints
from llm_integrations.core.evolution.proof.prover import Prover

__all__ = ["Case", "Plan", "Planner", "Test"]

_DEEPEST: Final = 40
_Kind = Literal["keep", "object", "array", "union", "constant", "text", "wrap"]


@dataclass(frozen=True, slots=True)
class Test:
    """How to tell that a value belongs to a branch: a property's value, or its JSON type."""

    name: str = ""
    value: Any = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A branch of a union: when it applies, and what to do then."""

    test: Test
    plan: Plan


@dataclass(slots=True, eq=False)
class Plan:
    """What to do with the values at one place.

    Attributes:
        kind: keep it; an object or array to rebuild; a union to look into; a new constant; a
            number to write as text; a value to put into a list of one.
        label: what people may call the value.
        only: the JSON type that the plan applies to; empty when every value has it.
        renames: property names, old to new.
        defaults: values for properties that are required now.
        drops: properties that are refused now.
        unless_null: properties that go when they are null, which is refused now.
        parts: plans for properties.
        rest: the plan for all other properties.
        items: the plan for items.
        cases: the branches of a union.
        constant: the only value allowed now.
    """

    kind: _Kind = "keep"
    label: str = "value"
    only: str = ""
    renames: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)
    unless_null: list[str] = field(default_factory=list)
    parts: dict[str, Plan] = field(default_factory=dict)
    rest: Plan | None = None
    items: Plan | None = None
    cases: list[Case] = field(default_factory=list)
    constant: Any = None

    def children(self) -> Iterator[Plan]:
        yield from self.parts.values()
        yield from (plan for plan in (self.rest, self.items) if plan is not None)
        yield from (case.plan for case in self.cases)

    def changes_something(self) -> bool:
        """Whether following the plan can change any value."""
        seen: set[int] = set()
        stack: list[Plan] = [self]
        while stack:
            plan = stack.pop()
            if id(plan) in seen:
                continue
            seen.add(id(plan))
            if plan.kind in ("constant", "text", "wrap"):
                return True
            if plan.renames or plan.defaults or plan.drops or plan.unless_null:
                return True
            stack.extend(plan.children())
        return False


class Planner:
    """Makes plans for pairs of nodes that a prover knows about."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover
        self._workspace = prover.workspace
        self._children = prover.children
        self._plans: dict[tuple[frozenset[int], frozenset[int]], Plan] = {}

    def plan(self, old: Sequence[Node], new: Sequence[Node], label: str, depth: int = 0) -> Plan:
        """The plan for values that satisfy the old nodes and should satisfy the new ones."""
        before, after = self._prover.constraints(old), self._prover.constraints(new)
        key = (frozenset(map(id, before.nodes)), frozenset(map(id, after.nodes)))
        if key in self._plans:
            return self._plans[key]
        plan = self._plans[key] = Plan(label=label)
        if depth < _DEEPEST and not before.impossible and not self._fits(before, after):
            self._fill(plan, before, after, depth)
        return plan

    def _fits(self, before: Constraints, after: Constraints) -> bool:
        return all(
            any(same(goal, node) for node in before.nodes)
            or self._prover.proves(before.nodes, goal)
            for goal in after.nodes
        )

    def _fill(self, plan: Plan, before: Constraints, after: Constraints, depth: int) -> None:
        if before.values and after.values and len(before.values) == len(after.values) == 1:
            plan.kind, plan.constant = "constant", after.values[0]
        elif self._convert(plan, before, after) or self._union(plan, before, after, depth):
            return
        elif "object" in before.kinds and "object" in after.kinds:
            self._object(plan, before, after, depth)
        elif "array" in before.kinds and "array" in after.kinds:
            self._array(plan, before, after, depth)

    def _convert(self, plan: Plan, before: Constraints, after: Constraints) -> bool:
        """Conversions that lose nothing: a number as text, a value as a list of one."""
        if before.kinds & after.kinds:
            return False
        if before.kinds <= NUMERIC and after.kinds == {"string"} and _free_text(after):
            plan.kind = "text"
        elif after.kinds == {"array"} and self._takes_one(before, after):
            plan.kind = "wrap"
        return plan.kind != "keep"

    def _takes_one(self, before: Constraints, after: Constraints) -> bool:
        nodes = self._children.item_nodes(after, 0)
        fits = all(self._prover.proves(before.nodes, node) for node in nodes)
        return fits and after.count("minItems", 0) <= 1 <= after.count("maxItems", math.inf)

    # Unions.

    def _union(self, plan: Plan, before: Constraints, after: Constraints, depth: int) -> bool:
        old, new = _branches(before), _branches(after)
        if not old or not new:
            return False
        plan.kind = "union"  # before its parts, which may lead back here
        pairs, _, _ = match_branches(old, new, self._workspace)
        for first, second in pairs:
            test = self._test(first, old)
            if test is None:
                continue
            child = self.plan([first], [second], self._label(first, plan.label), depth + 1)
            if child.kind != "keep":
                plan.cases.append(Case(test, child))
        plan.kind = "union" if plan.cases else "keep"
        return bool(plan.cases)

    def _test(self, branch: Node, branches: Sequence[Node]) -> Test | None:
        """What holds for values of this branch and of no other."""
        others = [other for other in branches if other is not branch]
        constraints = self._prover.constraints([branch])
        for name in sorted(constraints.required):
            values = self._values(constraints, name)
            apart = all(self._tells(other, name, values) for other in others)
            if values is not None and len(values) == 1 and apart:
                return Test(name=name, value=values[0])
        kinds = [self._prover.constraints([other]).kinds for other in others]
        if all(not constraints.kinds & other for other in kinds):
            return Test(types=tuple(sorted(constraints.kinds)))
        return None

    def _values(self, constraints: Constraints, name: str) -> list[Any] | None:
        return self._prover.constraints(self._children.property_nodes(constraints, name)).values

    def _tells(self, other: Node, name: str, values: list[Any] | None) -> bool:
        constraints = self._prover.constraints([other])
        if "object" not in constraints.kinds:
            return True
        theirs = self._values(constraints, name)
        if theirs is None or values is None or name not in constraints.required:
            return False
        return not {json_key(value) for value in values} & {json_key(v) for v in theirs}

    def _label(self, node: Node, fallback: str) -> str:
        place = self._workspace.place(self._workspace.resolved(node))
        if place is None:
            return fallback
        last = place.pointer.rpartition("/")[2]
        return fallback if not last or last.isdigit() else last

    # Objects and arrays.

    def _object(self, plan: Plan, before: Constraints, after: Constraints, depth: int) -> None:
        plan.kind = "object"
        plan.only = "" if before.kinds == {"object"} else "object"
        plan.renames = self._renames(before, after)
        renamed = set(plan.renames) | set(plan.renames.values())
        for name in sorted(self._children.names(before) - set(plan.renames)):
            self._property(plan, before, after, name, depth)
        for name, target in plan.renames.items():
            old = self._children.property_nodes(before, name)
            new = self._children.property_nodes(after, target)
            self._add_part(plan, target, old, new, depth)
        for name in sorted(after.required - before.required - renamed):
            default = self._default(after, name)
            if default is not None:
                plan.defaults[name] = default[0]
        self._rest(plan, before, after, depth)

    def _property(
        self, plan: Plan, before: Constraints, after: Constraints, name: str, depth: int
    ) -> None:
        old = self._children.property_nodes(before, name)
        new = self._children.property_nodes(after, name)
        if self._prover.unsatisfiable(old):
            return
        if self._prover.unsatisfiable(new):
            if name not in after.required:
                plan.drops.append(name)
            return
        kinds = self._prover.constraints(old).kinds, self._prover.constraints(new).kinds
        if "null" in kinds[0] - kinds[1] and name not in after.required:
            plan.unless_null.append(name)
        self._add_part(plan, name, old, new, depth)

    def _add_part(
        self, plan: Plan, name: str, old: list[Node], new: list[Node], depth: int
    ) -> None:
        # Whether a child changes anything may not be known yet: it can be this very plan.
        child = self.plan(old, new, name, depth + 1)
        if child.kind != "keep":
            plan.parts[name] = child

    def _renames(self, before: Constraints, after: Constraints) -> dict[str, str]:
        old, new = _declared(before), _declared(after)
        removed = {name: node for name, node in old.items() if name not in new}
        added = {name: node for name, node in new.items() if name not in old}
        required = sorted(before.required), sorted(after.required)
        found = pair_renames(removed, added, *required)
        return {
            name: target
            for (kind, name), target in found.items()
            if kind is ChangeKind.PROPERTY_REMOVED
        }

    def _default(self, after: Constraints, name: str) -> tuple[Any] | None:
        """The value that the new schema itself offers for a property, in a tuple of one."""
        nodes = self._children.property_nodes(after, name)
        constraints = self._prover.constraints(nodes)
        written = [self._workspace.written(node) for node in constraints.nodes]
        offered = [schema["default"] for schema in written if "default" in schema]
        if constraints.values is not None and len(constraints.values) == 1:
            offered.append(constraints.values[0])
        for value in offered:
            if all(self._prover.oracle.is_valid(node, value) is Answer.YES for node in nodes):
                return (value,)
        return None

    def _rest(self, plan: Plan, before: Constraints, after: Constraints, depth: int) -> None:
        old, new = self._children.other_nodes(before), self._children.other_nodes(after)
        if old and new and not self._prover.unsatisfiable(old):
            child = self.plan(old, new, f"{plan.label} value", depth + 1)
            if child.kind != "keep":
                plan.rest = child

    def _array(self, plan: Plan, before: Constraints, after: Constraints, depth: int) -> None:
        index = max(self._children.listed_items(before), self._children.listed_items(after))
        old, new = self._children.item_nodes(before, index), self._children.item_nodes(after, index)
        if index > 0 or not old or not new:
            return
        plan.kind = "array"  # before its items, which may be lists of the same kind
        child = self.plan(old, new, _singular(plan.label), depth + 1)
        if child.kind == "keep":
            plan.kind = "keep"
            return
        plan.items = child
        plan.only = "" if before.kinds == {"array"} else "array"


def _branches(constraints: Constraints) -> list[Node]:
    """The branches of the only union at a place; none when there are several."""
    unions = [
        node[keyword]
        for node in constraints.nodes
        for keyword in ("oneOf", "anyOf")
        if keyword in node
    ]
    return unions[0] if len(unions) == 1 else []


def _declared(constraints: Constraints) -> dict[str, Node]:
    return {
        name: child
        for node in constraints.nodes
        for name, child in node.get("properties", {}).items()
    }


def _free_text(constraints: Constraints) -> bool:
    """Whether the digits of any number would do."""
    bound = constraints.count("maxLength", math.inf) < 32 or constraints.count("minLength", 0) > 1
    text = constraints.patterns or constraints.formats
    return not (text or constraints.values or constraints.negated or bound)


def _singular(label: str) -> str:
    return label[:-1] if label.endswith("s") and len(label) > 2 else f"{label} item"
