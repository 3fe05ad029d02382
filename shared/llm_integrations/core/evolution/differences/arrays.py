"""Comparing what two nodes say about arrays."""

from __future__ import annotations

from llm_integrations.core.evolution.differences.steps import Step
from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.change import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, is_false, same

__all__ = ["compare_arrays"]


def compare_arrays(walk: Walk, pair: Pair) -> None:
    """Note what differs in items by place, in the others, and in what must be contained."""
    _compare_listed(walk, pair)
    _compare_rest(walk, pair)
    _compare_contains(walk, pair)


def _item_pair(walk: Walk, pair: Pair, step: Step, old: Node, new: Node) -> Pair:
    parts, facts = walk.prover.parts, walk.prover.facts
    return Pair(
        old,
        new,
        tuple(parts.item_nodes(facts(pair.old_given), step.index)),
        tuple(parts.item_nodes(facts(pair.new_given), step.index)),
        (*pair.steps, step),
    )


def _compare_listed(walk: Walk, pair: Pair) -> None:
    old, new = pair.old.get("prefixItems", []), pair.new.get("prefixItems", [])
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        walk.compare(_item_pair(walk, pair, Step("item", index=index), before, after))
    for index in range(min(len(old), len(new)), max(len(old), len(new))):
        added = index < len(new)
        raw = walk.raw(new[index] if added else old[index])
        walk.report(
            pair,
            ChangeKind.ITEM_ADDED if added else ChangeKind.ITEM_REMOVED,
            "prefixItems",
            None if added else raw,
            raw if added else None,
            new_goal=_items_goal(walk, pair.new_given, index),
            old_goal=_items_goal(walk, pair.old_given, index),
            rest=f"/{index}",
            where=(Step("item", index=index),),
        )


def _items_goal(walk: Walk, given: tuple[Node, ...], index: int) -> Node:
    """What is demanded of the item at one index."""
    nodes = walk.prover.parts.item_nodes(walk.prover.facts(given), index)
    return {"prefixItems": [*({} for _ in range(index)), {"allOf": nodes}]} if nodes else {}


def _compare_rest(walk: Walk, pair: Pair) -> None:
    for keyword in ("items", "unevaluatedItems"):
        old, new = pair.old.get(keyword, {}), pair.new.get(keyword, {})
        start = max(len(pair.old.get("prefixItems", ())), len(pair.new.get("prefixItems", ())))
        if old and new and not is_false(old) and not is_false(new) and keyword == "items":
            walk.compare(_item_pair(walk, pair, Step("items", index=start), old, new))
        elif not same(old, new):
            _note_rest(walk, pair, keyword)


def _note_rest(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    tighter = new is not None and (is_false(new) or not old)
    whole = keyword != "items"
    walk.report(
        pair,
        ChangeKind.CONTENT_CLOSED if tighter else ChangeKind.CONTENT_OPENED,
        keyword,
        None if old is None else walk.raw(old),
        None if new is None else walk.raw(new),
        new_goal=pair.new if whole else _rest_goal(pair.new),
        old_goal=pair.old if whole else _rest_goal(pair.old),
        where=(Step("items"),),
    )


def _rest_goal(node: Node) -> Node | None:
    if "items" not in node:
        return None
    return {"prefixItems": [{} for _ in node.get("prefixItems", ())], "items": node["items"]}


def _compare_contains(walk: Walk, pair: Pair) -> None:
    keywords = ("contains", "minContains", "maxContains")
    old = {k: pair.old[k] for k in keywords if k in pair.old}
    new = {k: pair.new[k] for k in keywords if k in pair.new}
    if same(old, new):
        return
    changed = next(k for k in keywords if old.get(k) != new.get(k))
    before, after = old.get(changed), new.get(changed)
    walk.report(
        pair,
        ChangeKind.CONTAINS_CHANGED,
        changed,
        walk.raw(before) if isinstance(before, dict) else before,
        walk.raw(after) if isinstance(after, dict) else after,
        new_goal=new or None,
        old_goal=old or None,
    )
