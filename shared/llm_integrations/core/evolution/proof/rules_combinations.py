"""Rules for references and for allOf, anyOf, oneOf, not, if."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, ref_name
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.reasoner import Reasoner, Rule

__all__ = ["RULES"]


def _reference(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    name = ref_name(goal)
    return name is None or reasoner.proves(constraints.nodes, reasoner.workspace.definitions[name])


def _all_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(reasoner.proves(constraints.nodes, part) for part in goal["allOf"])


def _any_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return any(reasoner.proves(constraints.nodes, part) for part in goal["anyOf"])


def _one_of(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    """One branch holds, and no other can hold together with the constraints."""
    return any(
        reasoner.proves(constraints.nodes, branch)
        and all(
            reasoner.unsatisfiable([*constraints.nodes, other])
            for other in goal["oneOf"]
            if other is not branch
        )
        for branch in goal["oneOf"]
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
