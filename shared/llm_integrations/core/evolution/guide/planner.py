"""What can be done to old data by a program, place by place, to bring it under a new schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llm_integrations.core.evolution.differences.branches import match_branches
from llm_integrations.core.evolution.differences.instance_path import (
    InstancePath,
    InstanceStep,
    where_text,
)
from llm_integrations.core.evolution.differences.renames import likely_names, pair_renames
from llm_integrations.core.evolution.guide.migrate_plan import Case, Move, Plan, Test
from llm_integrations.core.evolution.guide.moves import (
    NamePath,
    declared_properties,
    new_places,
    pair_moves,
    places_of,
)
from llm_integrations.core.evolution.guide.plan_values import ValuePlans
from llm_integrations.core.evolution.guide.questions import Questions
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, json_key, same
from llm_integrations.core.evolution.proof.constraints import NUMERIC, Constraints
from llm_integrations.core.evolution.proof.prover import Prover

__all__ = ["Planner"]

_DEEPEST: Final = 40
_NULL: Final = frozenset({"null"})
_OF_TYPE: Final[dict[frozenset[str], Node]] = {
    NUMERIC: {"type": ["number"]},
    **{
        frozenset({name}): {"type": [name]}
        for name in ("null", "boolean", "object", "array", "string")
    },
}


class Planner:
    """Makes plans for pairs of nodes that a prover knows about.

    Attributes:
        questions: what the plans take away or change without knowing that it is meant so.
    """

    def __init__(self, prover: Prover) -> None:
        self.questions = Questions()
        self._prover = prover
        self._workspace = prover.workspace
        self._children = prover.children
        self._values = ValuePlans(prover)
        self._plans: dict[tuple[frozenset[int], frozenset[int]], Plan] = {}
        self._in_union = 0

    def plan(
        self, old: Sequence[Node], new: Sequence[Node], label: str, where: InstancePath = ()
    ) -> Plan:
        """The plan for values that satisfy the old nodes and should satisfy the new ones.

        Args:
            label: what people may call such a value.
            where: its place.
        """
        before, after = self._prover.constraints(old), self._prover.constraints(new)
        key = (frozenset(map(id, before.nodes)), frozenset(map(id, after.nodes)))
        if key in self._plans:
            return self._plans[key]
        plan = self._plans[key] = Plan(label=label)
        if len(where) < _DEEPEST and not before.impossible and not self._fits(before, after):
            self._fill(plan, before, after, where)
        return plan

    def _fits(self, before: Constraints, after: Constraints) -> bool:
        return all(
            any(same(goal, node) for node in before.nodes)
            or self._prover.proves(before.nodes, goal)
            for goal in after.nodes
        )

    def _fill(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> None:
        if before.values and after.values and self._listed(plan, before, after, where):
            return
        if self._convert(plan, before, after, where) or self._union(plan, before, after, where):
            return
        if self._by_kind(plan, before, after, where):
            return
        if "object" in before.kinds and "object" in after.kinds:
            self._object(plan, before, after, where)
        elif "array" in before.kinds and "array" in after.kinds:
            self._array(plan, before, after, where)

    # Single values.

    def _listed(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> bool:
        """The only value possible, or values that are spelled otherwise now."""
        old, new = before.values or [], after.values or []
        if len(old) == len(new) == 1:
            plan.kind, plan.constant = "constant", new[0]
            if self._in_union:
                self.questions.replaced(where_text(where), old[0], new[0])
            return True
        plan.spellings = self._values.spellings(before, after)
        plan.kind = "spelling" if plan.spellings else "keep"
        return bool(plan.spellings)

    def _convert(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> bool:
        kind = self._values.conversion(before, after)
        if not kind:
            return False
        plan.kind = kind  # type: ignore[assignment] # it is one of them
        if not self._values.converts_all(kind, before, after):
            self.questions.partly_converted(where_text(where))
        return True

    def _by_kind(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> bool:
        """Values of several types, some of which are refused now: a plan for each type."""
        old, new = self._values.kinds(before), self._values.kinds(after)
        groups = [group for group in _OF_TYPE if old & group]
        if old <= new or (len(groups) < 2 and old != _NULL) or len(groups) == len(_OF_TYPE):
            return False
        for group in groups:
            child = self._of_kind(plan, group, before, after, where)
            if child.kind != "keep":
                plan.cases.append(Case(Test(types=tuple(sorted(group))), child))
        plan.kind = "union" if plan.cases else "keep"
        return bool(plan.cases)

    def _of_kind(
        self,
        plan: Plan,
        group: frozenset[str],
        before: Constraints,
        after: Constraints,
        where: InstancePath,
    ) -> Plan:
        if group == _NULL:
            default = self._values.offered(after, after.nodes)
            return Plan("constant", constant=default[0]) if default else Plan()
        nodes = [*before.nodes, _OF_TYPE[group]]
        return self.plan(nodes, after.nodes, plan.label, where)

    # Unions.

    def _union(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> bool:
        old, new = _branches(before), _branches(after)
        if not old or not new:
            return False
        plan.kind = "union"  # before its parts, which may lead back here
        pairs, _, _ = match_branches(old, new, self._workspace)
        for first, second in pairs:
            test = self._test(first, old)
            if test is None:
                continue
            self._in_union += 1
            step = InstanceStep("branch", branch=(first, second))
            label = self._label(first, plan.label)
            child = self.plan([first], [second], label, (*where, step))
            self._in_union -= 1
            if child.kind != "keep":
                plan.cases.append(Case(test, child))
        plan.kind = "union" if plan.cases else "keep"
        return bool(plan.cases)

    def _test(self, branch: Node, branches: Sequence[Node]) -> Test | None:
        """What holds for values of this branch and of no other."""
        others = [other for other in branches if other is not branch]
        constraints = self._prover.constraints([branch])
        for name in sorted(constraints.required):
            values = self._tag_values(constraints, name)
            apart = all(self._tells(other, name, values) for other in others)
            if values is not None and len(values) == 1 and apart:
                return Test(name=name, value=values[0])
        kinds = [self._prover.constraints([other]).kinds for other in others]
        if all(not constraints.kinds & other for other in kinds):
            return Test(types=tuple(sorted(constraints.kinds)))
        return None

    def _tag_values(self, constraints: Constraints, name: str) -> list[Any] | None:
        return self._prover.constraints(self._children.property_nodes(constraints, name)).values

    def _tells(self, other: Node, name: str, values: list[Any] | None) -> bool:
        constraints = self._prover.constraints([other])
        if "object" not in constraints.kinds:
            return True
        theirs = self._tag_values(constraints, name)
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

    def _object(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> None:
        plan.kind = "object"
        plan.only = "" if before.kinds == {"object"} else "object"
        plan.renames = self._renames(before, after)
        renamed = set(plan.renames) | set(plan.renames.values())
        self._move(plan, before, after, where)
        moved = {move.source[0] for move in plan.moves if len(move.source) == 1}
        for name in sorted(self._children.names(before) - set(plan.renames) - moved):
            self._property(plan, before, after, name, where)
        for name, target in plan.renames.items():
            old = self._children.property_nodes(before, name)
            new = self._children.property_nodes(after, target)
            self._add_part(plan, target, old, new, where)
        for name in sorted(after.required - before.required - renamed):
            default = self._values.default(before, after, name, plan.parts.get(name))
            if default is not None:
                plan.defaults[name] = default[0]
        self._rest(plan, before, after, where)

    def _property(
        self, plan: Plan, before: Constraints, after: Constraints, name: str, where: InstancePath
    ) -> None:
        old = self._children.property_nodes(before, name)
        new = self._children.property_nodes(after, name)
        if self._prover.unsatisfiable(old):
            return
        gone, left = self._inside(plan, before, name)
        if gone and not left:
            plan.emptied.append(name)
        elif self._prover.unsatisfiable(new):
            if name not in after.required:
                self._drop(plan, before, after, name, left, where)
        else:
            self._kept(plan, after, name, (old, new), where)

    def _kept(
        self,
        plan: Plan,
        after: Constraints,
        name: str,
        nodes: tuple[list[Node], list[Node]],
        where: InstancePath,
    ) -> None:
        old, new = nodes
        kinds = [self._values.kinds(self._prover.constraints(side)) for side in nodes]
        offered = self._values.offered(self._prover.constraints(new), new)
        if "null" in kinds[0] - kinds[1] and name not in after.required and offered is None:
            plan.unless_null.append(name)
        self._add_part(plan, name, old, new, where)

    def _inside(self, plan: Plan, before: Constraints, name: str) -> tuple[set[str], list[str]]:
        """The names inside of a property that were moved out of it, and those that were not."""
        gone = {move.source[-1] for move in plan.moves if move.source[:-1] == (name,)}
        inside = [path[1] for path in places_of([name], before, self._prover) if len(path) > 1]
        return gone, [inner for inner in inside if inner not in gone]

    def _drop(
        self,
        plan: Plan,
        before: Constraints,
        after: Constraints,
        name: str,
        left: list[str],
        where: InstancePath,
    ) -> None:
        """A property is refused now: it goes, and people are asked about what is in it."""
        plan.drops.append(name)
        declared = declared_properties(before), declared_properties(after)
        added = {n: node for n, node in declared[1].items() if n not in declared[0]}
        likely = likely_names(name, declared[0].get(name, {}), added)
        self.questions.dropped(_within(where, name), left, likely)

    def _add_part(
        self, plan: Plan, name: str, old: list[Node], new: list[Node], where: InstancePath
    ) -> None:
        # Whether a child changes anything may not be known yet: it can be this very plan.
        child = self.plan(old, new, name, (*where, InstanceStep("property", name)))
        if child.kind != "keep":
            plan.parts[name] = child

    def _renames(self, before: Constraints, after: Constraints) -> dict[str, str]:
        old, new = declared_properties(before), declared_properties(after)
        removed = {name: node for name, node in old.items() if name not in new}
        added = {name: node for name, node in new.items() if name not in old}
        required = sorted(before.required), sorted(after.required)
        found = pair_renames(removed, added, *required)
        return {
            name: target
            for (kind, name), target in found.items()
            if kind is ChangeKind.PROPERTY_REMOVED
        }

    def _move(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> None:
        """Values that have another place now, where it is plain which."""
        old, new = declared_properties(before), declared_properties(after)
        removed = [name for name in old if name not in new and name not in plan.renames]
        if not removed:
            return
        renamed = set(plan.renames.values())
        targets = {
            path: nodes
            for path, nodes in new_places(before, after, self._prover).items()
            if path[0] not in renamed
        }
        sources = places_of(removed, before, self._prover)
        for source, target in pair_moves(sources, targets, self._can_become).items():
            child = self._moved(sources[source], targets[target], target, where)
            plan.moves.append(Move(source, target, child))

    def _can_become(self, old: Sequence[Node], new: Sequence[Node]) -> bool:
        before, after = self._prover.constraints(old), self._prover.constraints(new)
        if self._prover.unsatisfiable(old) or self._prover.unsatisfiable(new):
            return False
        kinds = self._values.kinds(before) & self._values.kinds(after)
        return bool(kinds) or bool(self._values.conversion(before, after))

    def _moved(
        self, old: list[Node], new: list[Node], target: NamePath, where: InstancePath
    ) -> Plan:
        place = (*where, *(InstanceStep("property", name) for name in target))
        before, after = self._prover.constraints(old), self._prover.constraints(new)
        child = self.plan(old, new, target[-1], place)
        if child.kind == "keep" and not self._fits(before, after):
            self.questions.moved(where_text(place))
        return child

    def _rest(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> None:
        old, new = self._children.other_nodes(before), self._children.other_nodes(after)
        if old and new and not self._prover.unsatisfiable(old):
            step = InstanceStep("other")
            child = self.plan(old, new, f"{plan.label} value", (*where, step))
            if child.kind != "keep":
                plan.rest = child
                plan.named = sorted(self._children.names(before) | self._children.names(after))

    def _array(
        self, plan: Plan, before: Constraints, after: Constraints, where: InstancePath
    ) -> None:
        index = max(self._children.listed_items(before), self._children.listed_items(after))
        old, new = self._children.item_nodes(before, index), self._children.item_nodes(after, index)
        if index > 0 or not old or not new:
            return
        plan.kind = "array"  # before its items, which may be lists of the same kind
        child = self.plan(old, new, _singular(plan.label), (*where, InstanceStep("items")))
        if child.kind == "keep":
            plan.kind = "keep"
            return
        plan.items = child
        plan.only = "" if before.kinds == {"array"} else "array"


def _within(where: InstancePath, name: str) -> str:
    return where_text((*where, InstanceStep("property", name)))


def _branches(constraints: Constraints) -> list[Node]:
    """The branches of the only union at a place; none when there are several."""
    unions = [
        node[keyword]
        for node in constraints.nodes
        for keyword in ("oneOf", "anyOf")
        if keyword in node
    ]
    return unions[0] if len(unions) == 1 else []


def _singular(label: str) -> str:
    return label[:-1] if label.endswith("s") and len(label) > 2 else f"{label} item"
