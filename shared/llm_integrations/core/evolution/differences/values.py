"""Comparing types, listed values, bounds, patterns and formats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.kinds import ChangeKind
from llm_integrations.core.evolution.normal_form.nodes import (
    CONTENT,
    STRICT_INTEGER,
    Node,
    json_key,
)
from llm_integrations.core.evolution.proof.constraints import ALL_KINDS, kinds_of

__all__ = ["compare_values"]

_LOWER: Final = frozenset(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
_UPPER: Final = frozenset(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])
_BOUNDS: Final = (
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties"),
)
_TEXT_SUBJECTS: Final = {"pattern": "pattern", "format": "format", CONTENT: "format"}
"""Keywords about texts, and what a change of them is called after."""


def compare_values(walk: Walk, pair: Pair) -> None:
    """Note what differs in keywords that hold plain values."""
    _compare_type(walk, pair)
    _compare_enum(walk, pair)
    for keyword in (*_BOUNDS, *_TEXT_SUBJECTS):
        old, new = pair.old.get(keyword), pair.new.get(keyword)
        if old != new:
            kind = _kind(keyword, old, new)
            walk.report(pair, kind, keyword, old, new, pair.goals(keyword))


def _compare_type(walk: Walk, pair: Pair) -> None:
    old, new = _kinds(pair.old), _kinds(pair.new)
    old_strict, new_strict = (STRICT_INTEGER in node for node in (pair.old, pair.new))
    if old == new and old_strict == new_strict:
        return
    kind = ChangeKind.TYPE_CHANGED
    if old <= new and old_strict >= new_strict:
        kind = ChangeKind.TYPE_WIDENED
    elif new <= old and old_strict <= new_strict:
        kind = ChangeKind.TYPE_NARROWED
    goals = pair.goals("type", STRICT_INTEGER)
    walk.report(pair, kind, "type", _type_text(pair.old), _type_text(pair.new), goals)


def _kinds(node: Node) -> frozenset[str]:
    return kinds_of(node["type"]) if "type" in node else ALL_KINDS


def _type_text(node: Node) -> Any:
    names = node.get("type")
    return names[0] if names is not None and len(names) == 1 else names


def _compare_enum(walk: Walk, pair: Pair) -> None:
    old, new = pair.old.get("enum"), pair.new.get("enum")
    if old is None and new is None:
        return
    if old is None or new is None:
        walk.report(pair, ChangeKind.of("enum", old, new), "enum", old, new, pair.goals("enum"))
        return
    gone, come = _missing(old, new), _missing(new, old)
    breaks_old = {i: _only(walk, pair.old_premises, value) for i, value in gone.items()}
    breaks_new = {i: _only(walk, pair.new_premises, value) for i, value in come.items()}
    if len(old) == len(new) == len(gone) == 1:
        kind = ChangeKind.CONST_CHANGED
        walk.note(pair, kind, "enum", old[0], new[0], breaks_old[0], breaks_new[0])
        return
    for index, value in gone.items():
        rest = "" if len(old) == 1 else f"/{index}"
        kind = ChangeKind.ENUM_VALUE_REMOVED
        walk.note(pair, kind, "enum", value, None, breaks_old[index], None, rest=rest)
    for index, value in come.items():
        rest = "" if len(new) == 1 else f"/{index}"
        kind = ChangeKind.ENUM_VALUE_ADDED
        walk.note(pair, kind, "enum", None, value, None, breaks_new[index], rest=rest)


def _missing(values: list[Any], others: list[Any]) -> dict[int, Any]:
    """The values that the others do not hold, each once, by their index."""
    seen = {json_key(value) for value in others}
    found: dict[int, Any] = {}
    for index, value in enumerate(values):
        key = json_key(value)
        if key not in seen:
            seen.add(key)
            found[index] = value
    return found


def _only(walk: Walk, premises: tuple[Node, ...], value: Any) -> Node | None:
    """A node for just this value; None when the premises refuse it anyway."""
    if walk.refuses(premises, value):
        return None
    return walk.workspace.add({"enum": [value]})


def _kind(keyword: str, old: Any, new: Any) -> ChangeKind:
    if keyword in _TEXT_SUBJECTS:
        return ChangeKind.of(_TEXT_SUBJECTS[keyword], old, new)
    if old is None:
        return ChangeKind.BOUND_TIGHTENED
    if new is None:
        return ChangeKind.BOUND_LOOSENED
    if keyword in _LOWER:
        return ChangeKind.BOUND_TIGHTENED if new > old else ChangeKind.BOUND_LOOSENED
    if keyword in _UPPER:
        return ChangeKind.BOUND_TIGHTENED if new < old else ChangeKind.BOUND_LOOSENED
    ratio = Fraction(str(new)) / Fraction(str(old))
    if ratio.denominator == 1:
        return ChangeKind.BOUND_TIGHTENED
    return ChangeKind.BOUND_LOOSENED if ratio.numerator == 1 else ChangeKind.BOUND_CHANGED
