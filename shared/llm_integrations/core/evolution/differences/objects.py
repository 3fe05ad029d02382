"""Comparing what two nodes say about objects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from llm_integrations.core.evolution.differences.instance_path import InstanceStep
from llm_integrations.core.evolution.differences.renames import pair_renames
from llm_integrations.core.evolution.differences.walk import Goals, Pair, Walk
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, is_false, same
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.jsonschema.pointer import escape_token

__all__ = ["compare_objects"]

_NOTHING: Final[Node] = {"not": {}}
_CONTENT: Final = ("properties", "patternProperties", "additionalProperties")


def compare_objects(walk: Walk, pair: Pair) -> None:
    """Note what differs in properties, in which are required, and in what else is allowed."""
    _compare_properties(walk, pair)
    _compare_required(walk, pair)
    _compare_patterns(walk, pair)
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        _compare_rest(walk, pair, keyword)
    if not same(pair.old.get("propertyNames"), pair.new.get("propertyNames")):
        _report(walk, pair, ChangeKind.NAMES_CHANGED, "propertyNames")
    for keyword in ("dependentRequired", "dependentSchemas"):
        _compare_dependent(walk, pair, keyword)


def _report(walk: Walk, pair: Pair, kind: ChangeKind, keyword: str) -> None:
    """Note a keyword whose inside is not compared further."""
    values = pair.old.get(keyword), pair.new.get(keyword)
    walk.report(pair, kind, keyword, *values, pair.goals(keyword))


def _compare_properties(walk: Walk, pair: Pair) -> None:
    old, new = pair.old.get("properties", {}), pair.new.get("properties", {})
    children = walk.prover.children
    for name in [name for name in new if name in old]:
        if not walk.is_unchanged(old[name], new[name]):
            step, premises = InstanceStep("property", name), partial(_property, children, name)
            walk.compare_children(pair, step, old[name], new[name], premises)
    removed = {name: node for name, node in old.items() if name not in new}
    added = {name: node for name, node in new.items() if name not in old}
    required = pair.old.get("required", ()), pair.new.get("required", ())
    renames = pair_renames(removed, added, *required)
    for name in (*removed, *added):
        _note_property(walk, pair, name, renames)


def _property(children: ChildSchemas, name: str, constraints: Constraints) -> list[Node]:
    return children.property_nodes(constraints, name)


def _note_property(
    walk: Walk, pair: Pair, name: str, renames: dict[tuple[ChangeKind, str], str]
) -> None:
    old, new = (node.get("properties", {}).get(name) for node in (pair.old, pair.new))
    kind = ChangeKind.of("property", old, new)
    look_up = partial(_property, walk.prover.children, name)
    old_nodes, new_nodes = (
        walk.nodes_about(premises, look_up) for premises in (pair.old_premises, pair.new_premises)
    )
    walk.note(
        pair,
        kind,
        "properties",
        old,
        new,
        _with_property(walk, name, old_nodes, new_nodes),
        _with_property(walk, name, new_nodes, old_nodes),
        rest=f"/{escape_token(name)}",
        where=(InstanceStep("property", name),),
        name=name,
        rename=renames.get((kind, name)),
    )


def _with_property(
    walk: Walk, name: str, premises: Sequence[Node] | None, goals: Sequence[Node] | None
) -> Node | None:
    """An object with a value for the property that the other side refuses; None if none can be.

    Where the goals are not known, any value may be refused.
    """
    goals = [_NOTHING] if goals is None else goals
    if all(walk.implies(premises or (), goal) for goal in goals):
        return None
    failed = [walk.workspace.negation(goal) for goal in goals]
    value = failed[0] if len(failed) == 1 else walk.workspace.either(failed)
    return walk.workspace.add({"type": ["object"], "required": [name], "properties": {name: value}})


def _compare_required(walk: Walk, pair: Pair) -> None:
    old, new = set(pair.old.get("required", ())), set(pair.new.get("required", ()))
    for name in (*sorted(new - old), *sorted(old - new)):
        goal: Node = {"required": [name]}
        where = (InstanceStep("property", name),)
        if name in new:
            kind, values, goals = ChangeKind.MADE_REQUIRED, (None, name), (goal, None)
            walk.report(pair, kind, "required", *values, goals, where=where)
        else:
            walk.report(
                pair, ChangeKind.MADE_OPTIONAL, "required", name, None, (None, goal), where=where
            )


def _compare_patterns(walk: Walk, pair: Pair) -> None:
    keyword, others = "patternProperties", walk.prover.children.other_nodes
    old, new = pair.old.get(keyword, {}), pair.new.get(keyword, {})
    for pattern in [p for p in old if p in new]:
        step, premises = InstanceStep("pattern", pattern), partial(others, matching=pattern)
        walk.compare_children(pair, step, old[pattern], new[pattern], premises)
    for pattern in sorted(old.keys() ^ new.keys()):
        before, after = old.get(pattern), new.get(pattern)
        walk.report(
            pair,
            ChangeKind.of("pattern property", before, after),
            keyword,
            before,
            after,
            (_content_goal(pair.new), _content_goal(pair.old)),
            rest=f"/{escape_token(pattern)}",
            where=(InstanceStep("pattern", pattern),),
        )


def _content_goal(node: Node) -> Node | None:
    """What a node demands of properties that it does not name one by one."""
    if not node.keys() & {"patternProperties", "additionalProperties"}:
        return None
    goal: Node = {k: node[k] for k in _CONTENT if k in node}
    return {**goal, "properties": {name: {} for name in node.get("properties", ())}}


def _compare_rest(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    step = InstanceStep("other")
    if old and new and not is_false(old) and not is_false(new):
        patterns = pair.new.get("patternProperties", ())
        others = partial(walk.prover.children.other_nodes, excluded=patterns)
        walk.compare_children(pair, step, old, new, others)
    elif not same(old or {}, new or {}):
        closed = new is not None and (is_false(new) or not old)
        kind = ChangeKind.CONTENT_CLOSED if closed else ChangeKind.CONTENT_OPENED
        goals: Goals = pair.new, pair.old
        if keyword == "additionalProperties":
            goals = _content_goal(pair.new), _content_goal(pair.old)
        walk.report(pair, kind, keyword, old, new, goals, where=(step,))


def _compare_dependent(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword, {}), pair.new.get(keyword, {})
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if keyword == "dependentRequired" and sorted(before or ()) == sorted(after or ()):
            continue
        if same(before, after):
            continue
        walk.report(
            pair,
            ChangeKind.of("dependency", before, after),
            keyword,
            before,
            after,
            (_only(keyword, name, after), _only(keyword, name, before)),
            rest=f"/{escape_token(name)}",
        )


def _only(keyword: str, name: str, value: Node | list[str] | None) -> Node | None:
    return None if value is None else {keyword: {name: value}}
