"""Rules for references and for allOf, anyOf, oneOf, not, if."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llm_integrations.core.evolution.normal_form.nodes import Node, ref_name
from llm_integrations.core.evolution.proof.constraints import Facts

if TYPE_CHECKING:
    from llm_integrations.core.evolution.proof.prover import Prover, Rule

__all__ = ["RULES"]


def _reference(prover: Prover, facts: Facts, goal: Node) -> bool:
    name = ref_name(goal)
    return name is None or prover.proves(facts.nodes, prover.workspace.definitions[name])


def _all_of(prover: Prover, facts: Facts, goal: Node) -> bool:
    return all(prover.proves(facts.nodes, part) for part in goal["allOf"])


def _any_of(prover: Prover, facts: Facts, goal: Node) -> bool:
    return any(prover.proves(facts.nodes, part) for part in goal["anyOf"])


def _one_of(prover: Prover, facts: Facts, goal: Node) -> bool:
    """One branch holds, and each of the others cannot hold with what is given."""
    return any(
        prover.proves(facts.nodes, branch)
        and all(
            prover.unsatisfiable([*facts.nodes, other])
            for other in goal["oneOf"]
            if other is not branch
        )
        for branch in goal["oneOf"]
    )


def _not(prover: Prover, facts: Facts, goal: Node) -> bool:
    """What is refused is refused already, or cannot occur."""
    refused = goal["not"]
    if any(prover.proves([refused], known) for known in facts.negated):
        return True
    return prover.unsatisfiable([*facts.nodes, refused])


def _if(prover: Prover, facts: Facts, goal: Node) -> bool:
    workspace = prover.workspace
    condition = goal["if"]
    otherwise = workspace.negation(condition)
    return prover.proves([*facts.nodes, condition], goal.get("then", {})) and prover.proves(
        [*facts.nodes, otherwise], goal.get("else", {})
    )


RULES: Final[dict[str, Rule]] = {
    "$ref": _reference,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}
