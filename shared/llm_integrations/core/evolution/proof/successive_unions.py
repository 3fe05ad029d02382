"""A oneOf of which one branch is known to hold, and so no other, beside the oneOf that it became.

What both have stays as it is, so the branches that changed decide. Where the tag of a union is
left out, branches that differ by nothing else are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.reasoner import Reasoner

__all__ = ["form_of", "forms", "one_holds_as_before", "several_hold"]

_MOST_CHANGED: Final = 8
"""Branches beyond which each is looked at beside its predecessor alone."""

Forms = dict[int, list[Node]]
"""Nodes by the identity of the first that says the same."""


def forms(reasoner: Reasoner, nodes: Iterable[Node], absent: str = "") -> Forms:
    """The nodes by what they say of objects without a property."""
    found: Forms = {}
    for node in nodes:
        found.setdefault(form_of(reasoner.workspace, node, absent), []).append(node)
    return found


def form_of(workspace: Workspace, node: Node, absent: str = "") -> int:
    """The identity of the first node that says the same of objects without a property."""
    return id(workspace.canonical(workspace.without(workspace.resolved(node), absent)))


def one_holds_as_before(reasoner: Reasoner, constraints: Constraints, branches: list[Node]) -> bool:
    """Whether one branch holds, and no other, since that is so of a union among the constraints."""
    for node in constraints.nodes:
        if "oneOf" in node:
            absent = _absent(reasoner, constraints, node["oneOf"], branches)
            old = forms(reasoner, node["oneOf"], absent)
            chosen = _chosen(reasoner, constraints, old, absent)
            if chosen is not None:
                new = forms(reasoner, branches, absent)
                before = _predecessors(reasoner, node["oneOf"], branches)
                if _Succession(reasoner, constraints, old, new, chosen, before).holds():
                    return True
    return False


def several_hold(reasoner: Reasoner, constraints: Constraints) -> bool:
    """Whether two branches hold of a oneOf whose tag is left out, so that there is no such data."""
    for node in constraints.nodes:
        absent = _absent(reasoner, constraints, node["oneOf"]) if "oneOf" in node else ""
        if absent:
            old = forms(reasoner, node["oneOf"], absent)
            chosen = _chosen(reasoner, constraints, old, absent)
            if chosen is not None and (
                len(old[chosen]) > 1
                or any(
                    _follows(reasoner, constraints.nodes, nodes[0])
                    for key, nodes in old.items()
                    if key != chosen
                )
            ):
                return True
    return False


def _absent(reasoner: Reasoner, constraints: Constraints, *unions: list[Node]) -> str:
    """The tag of one of some unions that is certainly left out; empty without one."""
    told = (reasoner.unions.of(branches) for branches in unions)
    tags = (u.name for u in told if u and u.name and reasoner.unions.lacks(u, constraints))
    return next(tags, "")


def _chosen(reasoner: Reasoner, constraints: Constraints, old: Forms, absent: str) -> int | None:
    """The branch of a union that is known to hold."""
    held = forms(reasoner, constraints.nodes, absent)
    return next((key for key in old if key in held), None)


def _follows(reasoner: Reasoner, premises: Sequence[Node], goal: Node) -> bool:
    known, wanted = reasoner.constraints(premises), reasoner.constraints([goal])
    if known.impossible:
        return True
    return wanted.required <= known.required and reasoner.proves(premises, goal)


def _predecessors(reasoner: Reasoner, old: list[Node], new: list[Node]) -> dict[int, Node]:
    """By the identity of a branch, the one that had its tag."""
    before, after = reasoner.unions.of(old), reasoner.unions.of(new)
    if before is None or after is None or before.name != after.name:
        return {}
    tagged = after.by_value.items()
    return {id(node): before.by_value[key] for key, node in tagged if key in before.by_value}


@dataclass(frozen=True, slots=True)
class _Succession:
    """Two unions, and the branch of the old one that is chosen."""

    reasoner: Reasoner
    constraints: Constraints
    old: Forms
    new: Forms
    chosen: int
    before: dict[int, Node]

    def _others(self) -> Iterable[Node]:
        """The old branches that are not chosen; first those that are gone."""
        gone_first = sorted(self.old, key=lambda key: key in self.new)
        return [self.old[key][0] for key in gone_first if key != self.chosen]

    def holds(self) -> bool:
        if len(self.old[self.chosen]) > 1:
            return True
        added = [node for key in self.new if key not in self.old for node in self.new[key]]
        few = len(added) <= _MOST_CHANGED
        if self.chosen in self.new:
            return len(self.new[self.chosen]) == 1 and all(self._fails(n, few) for n in added)
        successors = [n for n in added if self.before.get(id(n)) in self.old[self.chosen]]
        return any(
            self.reasoner.proves(self.constraints.nodes, node)
            and all(self._fails(other, few) for other in added if other is not node)
            for node in (added if few else successors)
        )

    def _fails(self, node: Node, few: bool) -> bool:
        """Whether a new branch cannot hold: not at all, or not without another old one."""
        if self.constraints.excludes(self.reasoner.constraints([node])):
            return True
        premises = [*self.constraints.nodes, node]
        before = self.before.get(id(node))
        apart = before is not None and before not in self.old[self.chosen]
        if before is not None and apart and _follows(self.reasoner, premises, before):
            return True
        if not few:
            return self.reasoner.constraints(premises).impossible
        return any(_follows(self.reasoner, premises, other) for other in self._others()) or (
            self.reasoner.unsatisfiable(premises)
        )
