"""Comparing what two nodes say about objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from llm_integrations.core.evolution.differences.renames import pair_renames
from llm_integrations.core.evolution.differences.steps import Step
from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.change import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import Node, is_false, same
from llm_integrations.core.jsonschema.pointer import escape_token

__all__ = ["compare_objects", "property_pair"]

_CONTENT: Final = ("properties", "patternProperties", "additionalProperties")


def compare_objects(walk: Walk, pair: Pair) -> None:
    """Note what differs in properties, in who is required, and in what else is allowed."""
    _compare_properties(walk, pair)
    _compare_required(walk, pair)
    _compare_patterns(walk, pair)
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        _compare_rest(walk, pair, keyword)
    _compare_names(walk, pair)
    _compare_dependent_required(walk, pair)
    _compare_dependent_schemas(walk, pair)


def _nodes_of(walk: Walk, given: tuple[Node, ...], name: str) -> tuple[Node, ...]:
    return tuple(walk.prover.parts.property_nodes(walk.prover.facts(given), name))


def property_pair(walk: Walk, pair: Pair, name: str, old: Node, new: Node) -> Pair:
    """The pair of nodes for a property that both sides declare."""
    return Pair(
        old,
        new,
        _nodes_of(walk, pair.old_given, name),
        _nodes_of(walk, pair.new_given, name),
        (*pair.steps, Step("property", name)),
    )


def _compare_properties(walk: Walk, pair: Pair) -> None:
    old, new = pair.old.get("properties", {}), pair.new.get("properties", {})
    for name in [name for name in new if name in old]:
        if walk.is_unchanged(old[name], new[name]):
            continue
        walk.compare(property_pair(walk, pair, name, old[name], new[name]))
    removed = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    mark = walk.mark()
    for name in removed:
        _note_property(walk, pair, name, ChangeKind.PROPERTY_REMOVED, old[name])
    for name in added:
        _note_property(walk, pair, name, ChangeKind.PROPERTY_ADDED, new[name])
    renames = pair_renames(
        {name: old[name] for name in removed},
        {name: new[name] for name in added},
        pair.old.get("required", ()),
        pair.new.get("required", ()),
    )
    for index in range(mark, len(walk.findings)):
        finding = walk.findings[index]
        renamed = renames.get((finding.change.kind, finding.change.keyword))
        if renamed is not None:
            change = replace(finding.change, rename=renamed)
            walk.findings[index] = replace(finding, change=change)


def _note_property(walk: Walk, pair: Pair, name: str, kind: ChangeKind, node: Node) -> None:
    old_nodes = _nodes_of(walk, pair.old_given, name)
    new_nodes = _nodes_of(walk, pair.new_given, name)
    added = kind is ChangeKind.PROPERTY_ADDED
    raw = walk.raw(node)
    walk.note(
        pair,
        kind,
        name,
        None if added else raw,
        raw if added else None,
        _property_way(walk, name, old_nodes, new_nodes),
        _property_way(walk, name, new_nodes, old_nodes),
        where=(Step("property", name),),
    )
    finding = walk.findings[-1]
    path = walk.pointer(pair.new if added else pair.old, "properties", f"/{escape_token(name)}")
    change = replace(finding.change, path=path, side="new" if added else "old")
    walk.findings[-1] = replace(finding, change=change)


def _property_way(
    walk: Walk, name: str, given: tuple[Node, ...], goals: tuple[Node, ...]
) -> Node | None:
    """An object with a value for the property that the other side refuses; None if it cannot be."""
    if all(walk.implies(given, goal) for goal in goals):
        return None
    failed = [walk.workspace.negation(goal) for goal in goals]
    value = failed[0] if len(failed) == 1 else walk.workspace.either(failed)
    way = {"type": ["object"], "required": [name], "properties": {name: value}}
    return walk.workspace.add(way)


def _compare_required(walk: Walk, pair: Pair) -> None:
    old, new = set(pair.old.get("required", ())), set(pair.new.get("required", ()))
    for name in sorted(new - old):
        goal = {"required": [name]}
        walk.report(
            pair,
            ChangeKind.MADE_REQUIRED,
            "required",
            None,
            name,
            new_goal=goal,
            where=(Step("property", name),),
        )
    for name in sorted(old - new):
        walk.report(
            pair,
            ChangeKind.MADE_OPTIONAL,
            "required",
            name,
            None,
            old_goal={"required": [name]},
            where=(Step("property", name),),
        )


def _compare_patterns(walk: Walk, pair: Pair) -> None:
    old, new = pair.old.get("patternProperties", {}), pair.new.get("patternProperties", {})
    for pattern in [p for p in old if p in new]:
        walk.compare(_pattern_pair(walk, pair, pattern, old[pattern], new[pattern]))
    for pattern in sorted(old.keys() ^ new.keys()):
        added = pattern in new
        node = walk.raw(new[pattern] if added else old[pattern])
        walk.report(
            pair,
            ChangeKind.PATTERN_PROPERTY_ADDED if added else ChangeKind.PATTERN_PROPERTY_REMOVED,
            "patternProperties",
            None if added else node,
            node if added else None,
            new_goal=_content_goal(pair.new),
            old_goal=_content_goal(pair.old),
            rest=f"/{escape_token(pattern)}",
            where=(Step("pattern", pattern),),
        )


def _pattern_pair(walk: Walk, pair: Pair, pattern: str, old: Node, new: Node) -> Pair:
    parts, facts = walk.prover.parts, walk.prover.facts
    return Pair(
        old,
        new,
        tuple(parts.other_nodes(facts(pair.old_given), matching=pattern)),
        tuple(parts.other_nodes(facts(pair.new_given), matching=pattern)),
        (*pair.steps, Step("pattern", pattern)),
    )


def _content_goal(node: Node) -> Node | None:
    """What a node demands of properties that it does not name one by one."""
    if not node.keys() & {"patternProperties", "additionalProperties"}:
        return None
    goal: Node = {k: node[k] for k in _CONTENT if k in node}
    return {**goal, "properties": {name: {} for name in node.get("properties", ())}}


def _compare_rest(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword, {}), pair.new.get(keyword, {})
    if old and new and not is_false(old) and not is_false(new):
        walk.compare(_rest_pair(walk, pair, old, new))
        return
    if same(old, new):
        return
    closed = is_false(new) or (not old and not is_false(new))
    goals: dict[str, Any] = {}
    if keyword == "additionalProperties":
        goals = {"new_goal": _content_goal(pair.new), "old_goal": _content_goal(pair.old)}
    else:
        goals = {"new_goal": pair.new, "old_goal": pair.old}
    walk.report(
        pair,
        ChangeKind.CONTENT_CLOSED if closed else ChangeKind.CONTENT_OPENED,
        keyword,
        walk.raw(pair.old[keyword]) if keyword in pair.old else None,
        walk.raw(pair.new[keyword]) if keyword in pair.new else None,
        where=(Step("other"),),
        **goals,
    )


def _rest_pair(walk: Walk, pair: Pair, old: Node, new: Node) -> Pair:
    parts, facts = walk.prover.parts, walk.prover.facts
    patterns = pair.new.get("patternProperties", ())
    return Pair(
        old,
        new,
        tuple(parts.other_nodes(facts(pair.old_given), excluded=patterns)),
        tuple(parts.other_nodes(facts(pair.new_given), excluded=patterns)),
        (*pair.steps, Step("other")),
    )


def _compare_names(walk: Walk, pair: Pair) -> None:
    _compare_whole(walk, pair, "propertyNames", ChangeKind.NAMES_CHANGED)


def _compare_whole(walk: Walk, pair: Pair, keyword: str, kind: ChangeKind) -> None:
    """A keyword whose inside is not compared further."""
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    if same(old, new):
        return
    walk.report(
        pair,
        kind,
        keyword,
        None if old is None else walk.raw(old),
        None if new is None else walk.raw(new),
        new_goal=None if new is None else {keyword: new},
        old_goal=None if old is None else {keyword: old},
    )


def _compare_dependent_required(walk: Walk, pair: Pair) -> None:
    keyword = "dependentRequired"
    old, new = pair.old.get(keyword, {}), pair.new.get(keyword, {})
    for name in sorted(old.keys() | new.keys()):
        if sorted(old.get(name, ())) == sorted(new.get(name, ())):
            continue
        walk.report(
            pair,
            _dependency_kind(name in old, name in new),
            keyword,
            old.get(name),
            new.get(name),
            new_goal={keyword: {name: new[name]}} if name in new else None,
            old_goal={keyword: {name: old[name]}} if name in old else None,
            rest=f"/{escape_token(name)}",
        )


def _compare_dependent_schemas(walk: Walk, pair: Pair) -> None:
    keyword = "dependentSchemas"
    old, new = pair.old.get(keyword, {}), pair.new.get(keyword, {})
    for name in sorted(old.keys() | new.keys()):
        if same(old.get(name), new.get(name)):
            continue
        walk.report(
            pair,
            _dependency_kind(name in old, name in new),
            keyword,
            walk.raw(old[name]) if name in old else None,
            walk.raw(new[name]) if name in new else None,
            new_goal={keyword: {name: new[name]}} if name in new else None,
            old_goal={keyword: {name: old[name]}} if name in old else None,
            rest=f"/{escape_token(name)}",
        )


def _dependency_kind(before: bool, after: bool) -> ChangeKind:
    if before and after:
        return ChangeKind.DEPENDENCY_CHANGED
    return ChangeKind.DEPENDENCY_ADDED if after else ChangeKind.DEPENDENCY_REMOVED
