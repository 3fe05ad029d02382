"""Rules for arrays."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.reasoner import Reasoner, rules_about

__all__ = ["RULES"]


def _min_items(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return bool(constraints.count("minItems", 0) >= goal["minItems"])


def _max_items(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    most = goal["maxItems"]
    if constraints.count("maxItems", float("inf")) <= most:
        return True
    item_nodes = reasoner.children.item_nodes
    # A tuple that ends before that leaves no room for one item more, nor does a place in it that
    # nothing can take.
    listed = min(most, reasoner.children.listed_items(constraints))
    return reasoner.unsatisfiable(item_nodes(constraints, most)) or any(
        reasoner.constraints(item_nodes(constraints, index)).impossible for index in range(listed)
    )


def _unique_items(_: Reasoner, constraints: Constraints, _goal: Node) -> bool:
    return constraints.unique or constraints.count("maxItems", 2) < 2


def _prefix_items(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(
        reasoner.proves_child(reasoner.children.item_nodes(constraints, index), node)
        for index, node in enumerate(goal["prefixItems"])
    )


def _items(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    start = len(goal.get("prefixItems", ()))
    return _all_items(reasoner, constraints, goal["items"], start)


def _all_items(reasoner: Reasoner, constraints: Constraints, goal: Node, start: int) -> bool:
    """Whether each item from an index on satisfies the goal.

    Items beyond those that have a place of their own are alike, so one stands for all of them.
    """
    last = max(start, reasoner.children.listed_items(constraints))
    return all(
        reasoner.proves_child(reasoner.children.item_nodes(constraints, index), goal)
        for index in range(start, last + 1)
    )


def _contains(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return _enough(reasoner, constraints, goal) and _not_too_many(reasoner, constraints, goal)


def _enough(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    least = goal.get("minContains", 1)
    if least == 0:
        return True
    contained = [
        node["contains"]
        for node in constraints.nodes
        if "contains" in node and node.get("minContains", 1) >= least
    ]
    if any(reasoner.proves_child([known], goal["contains"]) for known in contained):
        return True
    long_enough = constraints.count("minItems", 0) >= least
    return long_enough and _all_items(reasoner, constraints, goal["contains"], 0)


def _not_too_many(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    most = goal.get("maxContains")
    if most is None or constraints.count("maxItems", float("inf")) <= most:
        return True
    limited = [
        node["contains"]
        for node in constraints.nodes
        if "contains" in node and node.get("maxContains", float("inf")) <= most
    ]
    return any(reasoner.proves_child([goal["contains"]], known) for known in limited)


def _unevaluated_items(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    listed = 0
    for part in reasoner.workspace.applied(goal, conditional=False):
        if "items" in part or (part is not goal and "unevaluatedItems" in part):
            return True
        listed = max(listed, len(part.get("prefixItems", ())))
    return _all_items(reasoner, constraints, goal["unevaluatedItems"], listed)


RULES: Final = rules_about(
    ["array"],
    {
        "minItems": _min_items,
        "maxItems": _max_items,
        "uniqueItems": _unique_items,
        "prefixItems": _prefix_items,
        "items": _items,
        "contains": _contains,
        "unevaluatedItems": _unevaluated_items,
    },
)
