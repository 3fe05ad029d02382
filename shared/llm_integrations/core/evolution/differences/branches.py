"""Which branch of a combination became which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, json_key

__all__ = ["match_branches"]

_ENOUGH: Final = 0.35
_MOST_SCORES: Final = 10_000


def match_branches(
    old: Sequence[Node], new: Sequence[Node], workspace: Workspace
) -> tuple[list[tuple[Node, Node]], list[Node], list[Node]]:
    """Pairs of branches that belong together, what is left of the old, what is left of the new.

    Equal branches come first, then the most alike; one leftover on each side is a pair too.
    """
    left, right = list(old), list(new)
    pairs = _pairs_by(left, right, json_key)
    pairs += _pairs_by(left, right, lambda node: _only_tag(node, workspace))
    if len(left) * len(right) > _MOST_SCORES:
        return pairs, left, right
    scores = sorted(
        (
            (-_likeness(a, b, workspace), i, j)
            for i, a in enumerate(left)
            for j, b in enumerate(right)
        )
    )
    used_left: set[int] = set()
    used_right: set[int] = set()
    for score, i, j in scores:
        if -score >= _ENOUGH and i not in used_left and j not in used_right:
            pairs.append((left[i], right[j]))
            used_left.add(i)
            used_right.add(j)
    left = [node for i, node in enumerate(left) if i not in used_left]
    right = [node for j, node in enumerate(right) if j not in used_right]
    if len(left) == len(right) == 1 and len(old) == len(new):
        return [*pairs, (left[0], right[0])], [], []
    return pairs, left, right


def _pairs_by(
    left: list[Node], right: list[Node], key: Callable[[Node], str]
) -> list[tuple[Node, Node]]:
    """Take the branches that have the same key out of the lists, as pairs; an empty key is none."""
    twins: dict[str, list[Node]] = {}
    for node in reversed(right):
        twins.setdefault(key(node), []).append(node)
    twins.pop("", None)
    pairs = [(node, same.pop()) for node in left if (same := twins.get(key(node)))]
    paired = {id(node) for pair in pairs for node in pair}
    left[:] = [node for node in left if id(node) not in paired]
    right[:] = [node for node in right if id(node) not in paired]
    return pairs


def _only_tag(node: Node, workspace: Workspace) -> str:
    """The name and value of a branch's only property with one possible value; else empty."""
    tags = _tags(workspace.resolved(node))
    return json_key(tags) if len(tags) == 1 else ""


def _likeness(first: Node, second: Node, workspace: Workspace) -> float:
    """0 for nothing in common to 1; what tells branches of a union apart weighs most."""
    a, b = workspace.resolved(first), workspace.resolved(second)
    tags_a, tags_b = _tags(a), _tags(b)
    if tags_a and tags_b and tags_a.keys() & tags_b.keys():
        return 1.0 if tags_a.items() & tags_b.items() else 0.0
    score = 0.4 if _label(first, workspace) == _label(second, workspace) is not None else 0.0
    score += 0.3 if a.get("type") == b.get("type") else 0.0
    names_a, names_b = set(a.get("properties", ())), set(b.get("properties", ()))
    if names_a | names_b:
        score += 0.6 * len(names_a & names_b) / len(names_a | names_b)
    elif a.keys() == b.keys():
        score += 0.1
    return min(score, 0.99)


def _tags(node: Node) -> dict[str, str]:
    """Properties with one possible value: the tag of a tagged union."""
    return {
        name: json_key(child["enum"][0])
        for name, child in node.get("properties", {}).items()
        if len(child.get("enum", ())) == 1
    }


def _label(node: Node, workspace: Workspace) -> str | None:
    schema = workspace.written(node)
    label = schema.get("title") or schema.get("$ref")
    return label if isinstance(label, str) else None
