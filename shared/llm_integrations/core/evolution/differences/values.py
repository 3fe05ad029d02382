"""Comparing types, listed values, bounds, patterns and formats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from llm_integrations.core.evolution.differences.walk import Pair, Walk
from llm_integrations.core.evolution.model.change import ChangeKind
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
_BOUNDS: Final = [
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
]


def compare_values(walk: Walk, pair: Pair) -> None:
    """Note what differs in keywords that hold plain values."""
    _compare_type(walk, pair)
    _compare_enum(walk, pair)
    for keyword in _BOUNDS:
        _compare_bound(walk, pair, keyword)
    _compare_text(walk, pair, "pattern", _PATTERN_KINDS)
    _compare_text(walk, pair, "format", _FORMAT_KINDS)
    _compare_text(walk, pair, CONTENT, _FORMAT_KINDS)


def _goal(node: Node, *keywords: str) -> Node | None:
    """What a node demands by some of its keywords."""
    goal = {keyword: node[keyword] for keyword in keywords if keyword in node}
    return goal or None


def _compare_type(walk: Walk, pair: Pair) -> None:
    old, new = _kinds(pair.old), _kinds(pair.new)
    strict = (pair.old.get(STRICT_INTEGER, False), pair.new.get(STRICT_INTEGER, False))
    if old == new and strict[0] == strict[1]:
        return
    widened = old <= new and strict >= (strict[1], strict[1])
    narrowed = new <= old and strict <= (strict[1], strict[1])
    kind = ChangeKind.TYPE_CHANGED
    if widened:
        kind = ChangeKind.TYPE_WIDENED
    elif narrowed:
        kind = ChangeKind.TYPE_NARROWED
    walk.report(
        pair,
        kind,
        "type",
        _type_text(pair.old),
        _type_text(pair.new),
        new_goal=_goal(pair.new, "type", STRICT_INTEGER),
        old_goal=_goal(pair.old, "type", STRICT_INTEGER),
    )


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
        kind = ChangeKind.ENUM_ADDED if old is None else ChangeKind.ENUM_REMOVED
        new_goal, old_goal = _goal(pair.new, "enum"), _goal(pair.old, "enum")
        walk.report(pair, kind, "enum", old, new, new_goal=new_goal, old_goal=old_goal)
        return
    old_keys = {json_key(value): value for value in old}
    new_keys = {json_key(value): value for value in new}
    gone = [value for key, value in old_keys.items() if key not in new_keys]
    come = [value for key, value in new_keys.items() if key not in old_keys]
    if len(old) == len(new) == len(gone) == 1:
        walk.note(
            pair,
            ChangeKind.CONST_CHANGED,
            "enum",
            gone[0],
            come[0],
            _value_way(walk, pair.old_given, gone[0]),
            _value_way(walk, pair.new_given, come[0]),
        )
        return
    for value in gone:
        way, rest = _value_way(walk, pair.old_given, value), _place_in(old, value)
        kind = ChangeKind.ENUM_VALUE_REMOVED
        walk.note(pair, kind, "enum", value, None, way, None, rest=rest)
    for value in come:
        way, rest = _value_way(walk, pair.new_given, value), _place_in(new, value)
        kind = ChangeKind.ENUM_VALUE_ADDED
        walk.note(pair, kind, "enum", None, value, None, way, rest=rest)


def _place_in(values: list[Any], value: Any) -> str:
    return "" if len(values) == 1 else f"/{next(i for i, v in enumerate(values) if v is value)}"


def _value_way(walk: Walk, given: tuple[Node, ...], value: Any) -> Node | None:
    """A node for just this value, unless something else refuses it anyway."""
    if any(walk.prover.engine.is_valid(node, value) is False for node in given):
        return None
    return walk.workspace.add({"enum": [value]})


def _compare_bound(walk: Walk, pair: Pair, keyword: str) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    if old == new and type(old) is type(new):
        return
    if old is not None and new is not None and old == new:
        return
    walk.report(
        pair,
        _bound_kind(keyword, old, new),
        keyword,
        old,
        new,
        new_goal=_goal(pair.new, keyword),
        old_goal=_goal(pair.old, keyword),
    )


def _bound_kind(keyword: str, old: Any, new: Any) -> ChangeKind:
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


_PATTERN_KINDS: Final = (
    ChangeKind.PATTERN_ADDED,
    ChangeKind.PATTERN_REMOVED,
    ChangeKind.PATTERN_CHANGED,
)
_FORMAT_KINDS: Final = (
    ChangeKind.FORMAT_ADDED,
    ChangeKind.FORMAT_REMOVED,
    ChangeKind.FORMAT_CHANGED,
)


def _compare_text(
    walk: Walk, pair: Pair, keyword: str, kinds: tuple[ChangeKind, ChangeKind, ChangeKind]
) -> None:
    old, new = pair.old.get(keyword), pair.new.get(keyword)
    if old == new:
        return
    added, removed, changed = kinds
    kind = added if old is None else removed if new is None else changed
    walk.report(
        pair,
        kind,
        keyword,
        old,
        new,
        new_goal=_goal(pair.new, keyword),
        old_goal=_goal(pair.old, keyword),
    )
