"""Rules for references and for allOf, anyOf, oneOf, not, if."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, ref_name
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.reasoner import Reasoner, Rule

__all__ = ["RULES"]

_LARGE: Final = 12
"""Branches from which on it is too much to try each for the union of another side as a whole."""

_MOST_CHANGED: Final = 8


def _reference(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    name = ref_name(goal)
    return name is None or reasoner.proves(constraints.nodes, reasoner.workspace.definitions[name])


def _all_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(reasoner.proves(constraints.nodes, part) for part in goal["allOf"])


def _any_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    branches = goal["anyOf"]
    possible = reasoner.unions.possible(branches, constraints)
    if possible is not None:
        return _the_only(reasoner, constraints, possible)
    if not _by_content(reasoner, branches).keys().isdisjoint(_held(reasoner, constraints)):
        return True
    if len(branches) > _LARGE:
        branches = _worth_trying(reasoner, branches, constraints)
    return any(reasoner.proves(constraints.nodes, branch) for branch in branches)


def _one_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    """One branch holds, and no other can hold together with the constraints."""
    branches = goal["oneOf"]
    possible = reasoner.unions.possible(branches, constraints)
    if possible is not None:
        return _the_only(reasoner, constraints, possible)
    if _as_in_another(reasoner, constraints, branches):
        return True
    if len(branches) > _LARGE:
        branches = _worth_trying(reasoner, branches, constraints)
    return any(
        _only(
            reasoner, constraints, branch, (other for other in goal["oneOf"] if other is not branch)
        )
        for branch in branches
    )


def _only(
    reasoner: Reasoner, constraints: Constraints, branch: Node, others: Iterable[Node]
) -> bool:
    return reasoner.proves(constraints.nodes, branch) and all(
        reasoner.unsatisfiable([*constraints.nodes, other]) for other in others
    )


def _the_only(reasoner: Reasoner, constraints: Constraints, possible: list[Node]) -> bool:
    """Of branches that exclude each other one is left, and holds. Where more are left none of them
    follows, before the constraints are split into cases."""
    return len(possible) == 1 and reasoner.proves(constraints.nodes, possible[0])


def _worth_trying(reasoner: Reasoner, branches: list[Node], constraints: Constraints) -> list[Node]:
    """Of many branches those that fit a tag; none before a union of the other side is decided."""
    likely = reasoner.unions.likely(branches, constraints)
    if likely is not None:
        return likely
    held = {id(node) for node in constraints.nodes}
    unions = [n[word] for n in constraints.nodes for word in ("anyOf", "oneOf") if word in n]
    undecided = any(held.isdisjoint(map(id, union)) for union in unions if len(union) > _LARGE)
    return [] if undecided else branches


def _by_content(reasoner: Reasoner, nodes: Iterable[Node]) -> dict[int, Node]:
    """Nodes by the identity of the first that says the same."""
    workspace = reasoner.workspace
    return {id(workspace.canonical(workspace.resolved(node))): node for node in nodes}


def _held(reasoner: Reasoner, constraints: Constraints) -> set[int]:
    return set(_by_content(reasoner, constraints.nodes))


def _as_in_another(reasoner: Reasoner, constraints: Constraints, branches: list[Node]) -> bool:
    """A oneOf of which one branch is known to hold, and so no other, became this one.

    What both have stays as it is, so the branches that changed decide.
    """
    new = _by_content(reasoner, branches)
    if len(new) < len(branches):
        return False
    held = _held(reasoner, constraints)
    return any(
        _follows(reasoner, constraints, _by_content(reasoner, node["oneOf"]), new, held)
        for node in constraints.nodes
        if "oneOf" in node
    )


def _follows(
    reasoner: Reasoner,
    constraints: Constraints,
    old: dict[int, Node],
    new: dict[int, Node],
    held: set[int],
) -> bool:
    chosen = next((key for key in old if key in held), None)
    added = [node for key, node in new.items() if key not in old]
    if chosen is None or len(added) > _MOST_CHANGED:
        return False
    gone = [node for key, node in old.items() if key not in new and key != chosen]

    def is_excluded(node: Node) -> bool:
        premises = [*constraints.nodes, node]
        two = any(reasoner.proves(premises, other) for other in gone)
        return two or reasoner.unsatisfiable(premises)

    if chosen in new:
        return all(map(is_excluded, added))
    return any(
        reasoner.proves(constraints.nodes, node)
        and all(is_excluded(other) for other in added if other is not node)
        for node in added
    )


def _not(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    """The negated node contradicts a known negation, or the constraints."""
    refused = goal["not"]
    if any(reasoner.proves([refused], known) for known in constraints.negated):
        return True
    return reasoner.unsatisfiable([*constraints.nodes, refused])


def _if(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    workspace = reasoner.workspace
    condition = goal["if"]
    otherwise = workspace.negation(condition)
    return reasoner.proves(
        [*constraints.nodes, condition], goal.get("then", {})
    ) and reasoner.proves([*constraints.nodes, otherwise], goal.get("else", {}))


RULES: Final[dict[str, Rule]] = {
    "$ref": _reference,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}
