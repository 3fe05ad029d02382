"""Rules for arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.proof.constraints import Facts

if TYPE_CHECKING:
    from llm_integrations.core.evolution.proof.prover import Prover, Rule

__all__ = ["RULES"]


def _can_be_array(facts: Facts) -> bool:
    return "array" in facts.kinds


def _min_items(_: Prover, facts: Facts, goal: Node) -> bool:
    return not _can_be_array(facts) or facts.count("minItems", 0) >= goal["minItems"]


def _max_items(prover: Prover, facts: Facts, goal: Node) -> bool:
    most = goal["maxItems"]
    if not _can_be_array(facts) or facts.count("maxItems", float("inf")) <= most:
        return True
    # A tuple that ends before that leaves no room for one item more.
    return prover.unsatisfiable(prover.parts.item_nodes(facts, most))


def _unique_items(_: Prover, facts: Facts, _goal: Node) -> bool:
    return not _can_be_array(facts) or facts.unique or facts.count("maxItems", 2) < 2


def _prefix_items(prover: Prover, facts: Facts, goal: Node) -> bool:
    return not _can_be_array(facts) or all(
        prover.inside(prover.parts.item_nodes(facts, index), node)
        for index, node in enumerate(goal["prefixItems"])
    )


def _items(prover: Prover, facts: Facts, goal: Node) -> bool:
    start = len(goal.get("prefixItems", ()))
    return not _can_be_array(facts) or _all_items(prover, facts, goal["items"], start)


def _all_items(prover: Prover, facts: Facts, goal: Node, start: int) -> bool:
    """Whether each item from an index on satisfies the goal.

    Items beyond those that have a place of their own are alike, so one stands for all of them.
    """
    last = max(start, prover.parts.listed_items(facts))
    return all(
        prover.inside(prover.parts.item_nodes(facts, index), goal)
        for index in range(start, last + 1)
    )


def _contains(prover: Prover, facts: Facts, goal: Node) -> bool:
    if not _can_be_array(facts):
        return True
    return _enough(prover, facts, goal) and _not_too_many(prover, facts, goal)


def _enough(prover: Prover, facts: Facts, goal: Node) -> bool:
    least = goal.get("minContains", 1)
    if least == 0:
        return True
    contained = [
        node["contains"]
        for node in facts.nodes
        if "contains" in node and node.get("minContains", 1) >= least
    ]
    if any(prover.inside([known], goal["contains"]) for known in contained):
        return True
    long_enough = facts.count("minItems", 0) >= least
    return long_enough and _all_items(prover, facts, goal["contains"], 0)


def _not_too_many(prover: Prover, facts: Facts, goal: Node) -> bool:
    most = goal.get("maxContains")
    if most is None or facts.count("maxItems", float("inf")) <= most:
        return True
    limited = [
        node["contains"]
        for node in facts.nodes
        if "contains" in node and node.get("maxContains", float("inf")) <= most
    ]
    return any(prover.inside([goal["contains"]], known) for known in limited)


def _unevaluated_items(prover: Prover, facts: Facts, goal: Node) -> bool:
    if not _can_be_array(facts):
        return True
    listed = 0
    for part in prover.workspace.applied(goal, conditional=False):
        if "items" in part or (part is not goal and "unevaluatedItems" in part):
            return True
        listed = max(listed, len(part.get("prefixItems", ())))
    return _all_items(prover, facts, goal["unevaluatedItems"], listed)


RULES: Final[dict[str, Rule]] = {
    "minItems": _min_items,
    "maxItems": _max_items,
    "uniqueItems": _unique_items,
    "prefixItems": _prefix_items,
    "items": _items,
    "contains": _contains,
    "unevaluatedItems": _unevaluated_items,
}
