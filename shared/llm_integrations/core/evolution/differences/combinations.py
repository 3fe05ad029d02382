"""Comparing allOf, anyOf, oneOf, not and if, branch by branch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from llm_integrations.core.evolution.differences.branches import match_branches
from llm_integrations.core.evolution.differences.instance_path import InstanceStep
from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.kinds import DIRECTIONS, ChangeKind, Direction
from llm_integrations.core.evolution.normal_form.nodes import Node, same

__all__ = ["compare_combinations"]

_MOST_WIDENED: Final = 20
"""Branches, of unions of which data is looked for that satisfies one more than before."""

_Failures = tuple[Node | None, Node | None]
"""The old data that new readers refuse, and the new data that old readers refuse, if any."""


def compare_combinations(walk: Walk, pair: Pair) -> None:
    """Note what differs in combinations of schemas."""
    _compare_all_of(walk, pair)
    for keyword in ("anyOf", "oneOf"):
        _compare_union(walk, pair, keyword)
    _compare_as_one(walk, pair, "not")
    _compare_as_one(walk, pair, "if", "then", "else")


def _compare_all_of(walk: Walk, pair: Pair) -> None:
    old, new = map(walk.workspace.always, (pair.old, pair.new))
    pairs, removed, added = match_branches(old, new, walk.workspace)
    for before, after in pairs:
        walk.compare(replace(pair, old=before, new=after))
    for gone, come, rest in _unmatched(pair, "allOf", removed, added):
        kind = ChangeKind.of("combination", gone, come)
        walk.report(pair, kind, "allOf", gone, come, (come, gone), rest=rest)


def _unmatched(
    pair: Pair, keyword: str, removed: Sequence[Node], added: Sequence[Node]
) -> Iterator[tuple[Node | None, Node | None, str]]:
    """Branches of one side only: the old or the new one, and what its JSON Pointer ends with."""
    old, new = _indices(pair.old, keyword), _indices(pair.new, keyword)
    yield from ((node, None, old.get(id(node), "")) for node in removed)
    yield from ((None, node, new.get(id(node), "")) for node in added)


def _indices(node: Node, keyword: str) -> dict[int, str]:
    """For each branch of a keyword, by its identity, what its JSON Pointer ends with."""
    branches = node.get(keyword, ())
    return {id(b): f"/{i}" for i, b in enumerate(branches)} if isinstance(branches, list) else {}


def _failures(walk: Walk, pair: Pair, *keywords: str) -> _Failures:
    """What fails the named keywords taken together, where the other side allows it."""
    sides = zip((pair.old_premises, pair.new_premises), pair.goals(*keywords), strict=True)
    failed = []
    for premises, goal in sides:
        known = None if goal is None else walk.workspace.add(goal)
        safe = known is None or walk.implies(premises, known)
        failed.append(None if known is None or safe else walk.workspace.negation(known))
    return failed[0], failed[1]


def _compare_union(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    if old is None and new is None:
        return
    failures = _failures(walk, pair, keyword)
    if old is None or new is None:
        kind = ChangeKind.of("combination", old, new)
        before, after = (nodes and [walk.raw(node) for node in nodes] for nodes in (old, new))
        walk.note(pair, kind, keyword, before, after, *failures)
        return
    mark = walk.mark()
    pairs, removed, added = match_branches(old, new, walk.workspace)
    with walk.together():
        for before, after in pairs:
            walk.compare(_branch_pair(pair, before, after))
    for gone, come, rest in _unmatched(pair, keyword, removed, added):
        kind = ChangeKind.of("combination", gone, come)
        failed = _within(walk, gone, failures[0]), _within(walk, come, failures[1])
        walk.note(pair, kind, keyword, gone, come, *failed, rest=rest)
    # A difference inside of a branch breaks nobody if the union as a whole does not. Where the
    # union breaks somebody and no branch says why (oneOf refuses what satisfies two branches),
    # all differences in it share the blame.
    for direction, failure in zip(DIRECTIONS, failures, strict=True):
        blamed = any(finding.target(direction) is not None for finding in walk.findings[mark:])
        if failure is None or not blamed:
            shown = failure and _shown_by(walk, keyword, failure, pairs, direction)
            walk.blame_together(mark, pair, direction, shown)


def _shown_by(
    walk: Walk,
    keyword: str,
    failure: Node,
    pairs: Sequence[tuple[Node, Node]],
    direction: Direction,
) -> Node:
    """What data is like that fails a union; of oneOf also what satisfies a branch only on the
    reading side: the branch that held before may hold as well."""
    if keyword != "oneOf" or len(pairs) > _MOST_WIDENED:
        return failure
    ordered = pairs if direction == "backward" else [(new, old) for old, new in pairs]
    widened = [(a, b) for a, b in ordered if not same(a, b)]
    negation, both = walk.workspace.negation, walk.workspace.both
    return walk.workspace.either([failure, *(both(b, negation(a)) for a, b in widened)])


def _branch_pair(pair: Pair, old: Node, new: Node) -> Pair:
    path = (*pair.path, InstanceStep("branch", branch=(old, new)))
    return Pair(old, new, (*pair.old_premises, old), (*pair.new_premises, new), path)


def _within(walk: Walk, branch: Node | None, failure: Node | None) -> Node | None:
    """The failing values that belong to a branch; all of them without one."""
    return failure if branch is None or failure is None else walk.workspace.both(branch, failure)


def _compare_as_one(walk: Walk, pair: Pair, *keywords: str) -> None:
    """Keywords that say nothing one by one: compare inside of each, but judge them together."""
    if not any(keyword in node for keyword in keywords for node in (pair.old, pair.new)):
        return
    failures = _failures(walk, pair, *keywords)
    mark = walk.mark()
    for keyword in keywords:
        old, new = pair.old.get(keyword), pair.new.get(keyword)
        if old is not None and new is not None:
            with walk.together():
                walk.compare(replace(pair, old=old, new=new))
        elif old is not None or new is not None:
            kind = ChangeKind.of("combination", old, new)
            walk.note(pair, kind, keyword, old, new, *failures)
    for direction, failure in zip(DIRECTIONS, failures, strict=True):
        walk.blame_together(mark, pair, direction, failure)
