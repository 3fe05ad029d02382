"""Comparing allOf, anyOf, oneOf, not and if, branch by branch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from llm_integrations.core.evolution.differences.branches import match_branches
from llm_integrations.core.evolution.differences.steps import Step
from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.change import ChangeKind, Direction
from llm_integrations.core.evolution.normal_form.nodes import Node

__all__ = ["compare_combinations"]

_CONDITION: Final = ("if", "then", "else")


def compare_combinations(walk: Walk, pair: Pair) -> None:
    """Note what differs in combinations of schemas."""
    _compare_all_of(walk, pair)
    for keyword in ("anyOf", "oneOf"):
        _compare_union(walk, pair, keyword)
    _compare_not(walk, pair)
    _compare_condition(walk, pair)


def _parts(walk: Walk, node: Node) -> list[Node]:
    """What a node demands besides its own keywords; a ``$ref`` is one more part of allOf."""
    target = walk.workspace.target(node)
    referred = [] if target is None else [target]
    return [*node.get("allOf", ()), *referred]


def _compare_all_of(walk: Walk, pair: Pair) -> None:
    old, new = _parts(walk, pair.old), _parts(walk, pair.new)
    pairs, gone, come = match_branches(old, new, walk.workspace)
    for before, after in pairs:
        walk.compare(replace(pair, old=before, new=after))
    for node in gone:
        _note_branch(walk, pair, "allOf", node, None, None, node)
    for node in come:
        _note_branch(walk, pair, "allOf", None, node, node, None)


def _note_branch(
    walk: Walk,
    pair: Pair,
    keyword: str,
    old: Node | None,
    new: Node | None,
    new_goal: Node | None,
    old_goal: Node | None,
) -> None:
    walk.report(
        pair,
        ChangeKind.COMBINATION_REMOVED if new is None else ChangeKind.COMBINATION_ADDED,
        keyword,
        None if old is None else walk.raw(old),
        None if new is None else walk.raw(new),
        new_goal=new_goal,
        old_goal=old_goal,
        rest=_index_of(pair, keyword, old, new),
    )


def _index_of(pair: Pair, keyword: str, old: Node | None, new: Node | None) -> str:
    branches = (pair.old if new is None else pair.new).get(keyword, ())
    wanted = old if new is None else new
    return next((f"/{i}" for i, node in enumerate(branches) if node is wanted), "")


def _whole(walk: Walk, given: tuple[Node, ...], node: Node, *keywords: str) -> Node | None:
    """The way to fail the named keywords of a node together; None when it cannot happen."""
    goal = {k: node[k] for k in keywords if k in node}
    if not goal:
        return None
    goal = walk.workspace.add(goal)
    return None if walk.implies(given, goal) else walk.workspace.negation(goal)


def _compare_union(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    if old is None and new is None:
        return
    backward = _whole(walk, pair.old_given, pair.new, keyword)
    forward = _whole(walk, pair.new_given, pair.old, keyword)
    if old is None or new is None:
        kind = ChangeKind.COMBINATION_ADDED if old is None else ChangeKind.COMBINATION_REMOVED
        lists = _raw_list(walk, old), _raw_list(walk, new)
        walk.note(pair, kind, keyword, *lists, backward, forward)
        return
    mark = walk.mark()
    pairs, gone, come = match_branches(old, new, walk.workspace)
    with walk.together():
        for before, after in pairs:
            walk.compare(_branch_pair(pair, before, after))
    for node in gone:
        way = _branch_way(walk, node, backward)
        _note_union(walk, pair, keyword, node, None, way, forward)
    for node in come:
        way = _branch_way(walk, node, forward)
        _note_union(walk, pair, keyword, None, node, backward, way)
    _settle_union(walk, mark, pair, backward, forward)


def _raw_list(walk: Walk, nodes: list[Node] | None) -> list[Any] | None:
    return None if nodes is None else [walk.raw(node) for node in nodes]


def _branch_pair(pair: Pair, old: Node, new: Node) -> Pair:
    steps = (*pair.steps, Step("branch", branch=(old, new)))
    return Pair(old, new, (*pair.old_given, old), (*pair.new_given, new), steps)


def _branch_way(walk: Walk, branch: Node, whole: Node | None) -> Node | None:
    """A value of this branch that the other side's union refuses."""
    if whole is None:
        return None
    return walk.workspace.both(branch, whole)


def _note_union(
    walk: Walk,
    pair: Pair,
    keyword: str,
    old: Node | None,
    new: Node | None,
    backward: Node | None,
    forward: Node | None,
) -> None:
    walk.note(
        pair,
        ChangeKind.COMBINATION_REMOVED if new is None else ChangeKind.COMBINATION_ADDED,
        keyword,
        None if old is None else walk.raw(old),
        None if new is None else walk.raw(new),
        backward,
        forward,
        rest=_index_of(pair, keyword, old, new),
    )


def _settle_union(
    walk: Walk, mark: int, pair: Pair, backward: Node | None, forward: Node | None
) -> None:
    """A difference inside of a branch breaks nobody if the union as a whole does not.

    Where the union does break somebody and no branch says why (oneOf refuses what satisfies two
    branches), all differences in it share the blame.
    """
    _settle_direction(walk, mark, pair, "backward", backward)
    _settle_direction(walk, mark, pair, "forward", forward)


def _settle_direction(
    walk: Walk, mark: int, pair: Pair, direction: Direction, whole: Node | None
) -> None:
    blamed = any(finding.way(direction) is not None for finding in walk.findings[mark:])
    if whole is None or not blamed:
        walk.set_ways(mark, pair, direction, whole)


def _compare_not(walk: Walk, pair: Pair) -> None:
    _compare_as_one(walk, pair, ("not",))


def _compare_condition(walk: Walk, pair: Pair) -> None:
    _compare_as_one(walk, pair, _CONDITION)


def _compare_as_one(walk: Walk, pair: Pair, keywords: tuple[str, ...]) -> None:
    """Keywords whose parts say nothing alone: compare inside, but judge them together."""
    old = {k: pair.old[k] for k in keywords if k in pair.old}
    new = {k: pair.new[k] for k in keywords if k in pair.new}
    if not old and not new:
        return
    backward = _whole(walk, pair.old_given, pair.new, *keywords)
    forward = _whole(walk, pair.new_given, pair.old, *keywords)
    mark = walk.mark()
    for keyword in keywords:
        if keyword in old and keyword in new:
            with walk.together():
                walk.compare(replace(pair, old=old[keyword], new=new[keyword]))
        elif keyword in old or keyword in new:
            _note_union(walk, pair, keyword, old.get(keyword), new.get(keyword), backward, forward)
    walk.set_ways(mark, pair, "backward", backward)
    walk.set_ways(mark, pair, "forward", forward)
