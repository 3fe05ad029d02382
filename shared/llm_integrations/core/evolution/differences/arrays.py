"""Comparing what two nodes say about arrays."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.evolution.differences.instance_path import InstanceStep
from llm_integrations.core.evolution.differences.walk import Goals, Pair, Walk
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, is_false, same

__all__ = ["compare_arrays"]

_CONTAINS: Final = ("contains", "minContains", "maxContains")
_ANYTHING: Final[Node] = {}


def compare_arrays(walk: Walk, pair: Pair) -> None:
    """Note what differs in items by place, in the others, and in what must be contained."""
    _compare_listed(walk, pair)
    for keyword in ("items", "unevaluatedItems"):
        _compare_rest(walk, pair, keyword)
    _compare_contains(walk, pair)


def _compare_item(walk: Walk, pair: Pair, step: InstanceStep, old: Node, new: Node) -> None:
    items = walk.prover.children.item_nodes
    walk.compare_children(pair, step, old, new, lambda array: items(array, step.index))


def _compare_listed(walk: Walk, pair: Pair) -> None:
    old, new = pair.old.get("prefixItems", []), pair.new.get("prefixItems", [])
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        _compare_item(walk, pair, InstanceStep("item", index=index), before, after)
    for index in range(min(len(old), len(new)), max(len(old), len(new))):
        before = old[index] if index < len(old) else None
        after = new[index] if index < len(new) else None
        goals = tuple(_demanded(walk, p, index) for p in (pair.new_premises, pair.old_premises))
        walk.report(
            pair,
            ChangeKind.of("item", before, after),
            "prefixItems",
            before,
            after,
            (goals[0], goals[1]),
            rest=f"/{index}",
            where=(InstanceStep("item", index=index),),
        )


def _demanded(walk: Walk, premises: tuple[Node, ...], index: int) -> Node:
    """What the premises demand of the item at one index; nothing is good enough if not known."""
    items = walk.prover.children.item_nodes
    nodes = walk.nodes_about(premises, lambda array: items(array, index))
    demand: Node = {"not": {}} if nodes is None else {"allOf": [*nodes]}
    return {} if nodes == [] else {"prefixItems": [*[_ANYTHING] * index, demand]}


def _compare_rest(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    start = max(len(pair.old.get("prefixItems", ())), len(pair.new.get("prefixItems", ())))
    if keyword == "items" and old and new and not is_false(old) and not is_false(new):
        _compare_item(walk, pair, InstanceStep("items", index=start), old, new)
    elif not same(old or {}, new or {}):
        closed = new is not None and (is_false(new) or not old)
        kind = ChangeKind.CONTENT_CLOSED if closed else ChangeKind.CONTENT_OPENED
        goals: Goals = pair.new, pair.old
        if keyword == "items":
            goals = _rest_goal(pair.new), _rest_goal(pair.old)
        walk.report(pair, kind, keyword, old, new, goals, where=(InstanceStep("items"),))


def _rest_goal(node: Node) -> Node | None:
    """What a node demands of the items that have no schema of their own."""
    if "items" not in node:
        return None
    return {"prefixItems": [_ANYTHING] * len(node.get("prefixItems", ())), "items": node["items"]}


def _compare_contains(walk: Walk, pair: Pair) -> None:
    new_goal, old_goal = pair.goals(*_CONTAINS)
    old, new = old_goal or {}, new_goal or {}
    if not same(old, new):
        changed = next(k for k in _CONTAINS if old.get(k) != new.get(k))
        values = old.get(changed), new.get(changed)
        walk.report(pair, ChangeKind.CONTAINS_CHANGED, changed, *values, (new_goal, old_goal))
