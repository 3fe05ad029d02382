"""Rules for references and for allOf, anyOf, oneOf, not, if."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, ref_name
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.reasoner import Reasoner, Rule
from llm_integrations.core.evolution.proof.successive_unions import (
    forms,
    one_holds_as_before,
    several_hold,
)

__all__ = ["RULES"]

_LARGE: Final = 12
"""Branches from which on it is too much to try each for the union of another side as a whole."""


def _reference(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    name = ref_name(goal)
    return name is None or reasoner.proves(constraints.nodes, reasoner.workspace.definitions[name])


def _all_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(reasoner.proves(constraints.nodes, part) for part in goal["allOf"])


def _any_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return _some_of(reasoner, constraints, goal["anyOf"]) or _by_tag(reasoner, constraints, goal)


def _some_of(reasoner: Reasoner, constraints: Constraints, branches: list[Node]) -> bool:
    possible = reasoner.unions.possible(branches, constraints)
    if possible is not None:
        return _the_only(reasoner, constraints, possible)
    if not forms(reasoner, branches).keys().isdisjoint(forms(reasoner, constraints.nodes)):
        return True
    if len(branches) > _LARGE:
        branches = _worth_trying(reasoner, branches, constraints)
    return any(reasoner.proves(constraints.nodes, branch) for branch in branches)


def _one_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    """One branch holds, and no other can hold together with the constraints."""
    branches = goal["oneOf"]
    possible = reasoner.unions.possible(branches, constraints)
    if possible is not None and _the_only(reasoner, constraints, possible):
        return True
    if possible is None and not _open_tags(reasoner, constraints, goal):
        if one_holds_as_before(reasoner, constraints, branches):
            return True
        if any(
            _only(reasoner, constraints, branch, (o for o in branches if o is not branch))
            for branch in _candidates(reasoner, constraints, branches)
        ):
            return True
    return _by_tag(reasoner, constraints, goal)


def _by_tag(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    """Whether the goal holds where a tag is there and where it is left out, or where two branches
    hold of a oneOf without its tag, so that there is no such data."""
    workspace = reasoner.workspace
    return several_hold(reasoner, constraints) or any(
        reasoner.proves([*constraints.nodes, workspace.lacking(tag)], goal)
        and reasoner.proves([*constraints.nodes, workspace.having(tag)], goal)
        for tag in _open_tags(reasoner, constraints, goal)
    )


def _open_tags(reasoner: Reasoner, constraints: Constraints, goal: Node) -> list[str]:
    """The tags that may be there or not, once all unions of the other side are decided."""
    if _is_undecided(reasoner, constraints, 1):
        return []
    unions = reasoner.unions
    found = (unions.of(node["oneOf"]) for node in (*constraints.nodes, goal) if "oneOf" in node)
    return list(
        dict.fromkeys(
            union.name
            for union in found
            if union is not None
            and unions.may_lack(union, constraints)
            and not unions.lacks(union, constraints)
        )
    )


def _only(
    reasoner: Reasoner, constraints: Constraints, branch: Node, others: Iterable[Node]
) -> bool:
    return reasoner.proves(constraints.nodes, branch) and all(
        constraints.excludes(reasoner.constraints([other]))
        or reasoner.unsatisfiable([*constraints.nodes, other])
        for other in others
    )


def _candidates(reasoner: Reasoner, constraints: Constraints, branches: list[Node]) -> list[Node]:
    """The branches that may be the one to hold."""
    known = forms(reasoner, constraints.nodes)
    held = [nodes[0] for form, nodes in forms(reasoner, branches).items() if form in known]
    if held or len(branches) <= _LARGE:
        return held or branches
    return _worth_trying(reasoner, branches, constraints)


def _the_only(reasoner: Reasoner, constraints: Constraints, possible: list[Node]) -> bool:
    """Of branches that exclude each other one is left, and holds. Where more are left none of them
    follows, before the constraints are split into cases."""
    return len(possible) == 1 and reasoner.proves(constraints.nodes, possible[0])


def _worth_trying(reasoner: Reasoner, branches: list[Node], constraints: Constraints) -> list[Node]:
    """Of many branches those that fit a tag; none before a union of the other side is decided."""
    likely = reasoner.unions.likely(branches, constraints)
    if likely is not None:
        return likely
    return [] if _is_undecided(reasoner, constraints, _LARGE) else branches


def _is_undecided(reasoner: Reasoner, constraints: Constraints, most: int) -> bool:
    """Whether no branch is chosen yet of a union of more branches than that."""
    held = {id(node) for node in constraints.nodes}
    resolved = reasoner.workspace.resolved
    unions = [n[word] for n in constraints.nodes for word in ("anyOf", "oneOf") if word in n]
    return any(
        all(id(resolved(branch)) not in held for branch in union)
        for union in unions
        if len(union) > most
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
