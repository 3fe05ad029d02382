"""Following a plan without generating code for it: what the generated ``migrate`` does."""

from __future__ import annotations

from typing import Any

from llm_integrations.core.evolution.guide.conversions import CONVERSIONS
from llm_integrations.core.evolution.guide.migrate_plan import Move, Plan, Test
from llm_integrations.core.evolution.normal_form.nodes import json_key
from llm_integrations.core.evolution.proof.constraints import kind_of

__all__ = ["run_plan"]


def run_plan(plan: Plan, value: Any) -> Any:
    """The value as the plan wants it; the input stays as it is."""
    match plan.kind:
        case "constant":
            return plan.constant
        case "wrap":
            return [value]
        case "spelling":
            return plan.spellings.get(value, value) if isinstance(value, str) else value
        case "array" if plan.items is not None and isinstance(value, list):
            return [run_plan(plan.items, item) for item in value]
        case "union":
            return _union(plan, value)
        case "object" if isinstance(value, dict):
            return _object(plan, value)
    conversion = CONVERSIONS.get(plan.kind)
    return value if conversion is None else conversion.run(value)


def _union(plan: Plan, value: Any) -> Any:
    for case in plan.cases:
        if _holds(case.test, value):
            return run_plan(case.plan, value)
    return value


def _holds(test: Test, value: Any) -> bool:
    if not test.name:
        return kind_of(value) in test.types
    if not isinstance(value, dict) or test.name not in value:
        return False
    return json_key(value[test.name]) == json_key(test.value)


def _object(plan: Plan, value: dict[str, Any]) -> dict[str, Any]:
    made = dict(value)
    for move in plan.moves:
        _move(move, made)
    for old, new in plan.renames.items():
        if old in made and new not in made:
            made[new] = made.pop(old)
    gone = {*plan.drops, *(name for name in plan.emptied if made.get(name) == {})}
    gone |= {name for name in plan.unless_null if made.get(name, 0) is None}
    made = {name: item for name, item in made.items() if name not in gone}
    rest = made.keys() - set(plan.named) if plan.rest is not None else set()
    parts = {**plan.parts, **dict.fromkeys(rest, plan.rest)}
    for name, part in parts.items():
        if name in made and part is not None:
            made[name] = run_plan(part, made[name])
    return plan.defaults | made


def _move(move: Move, made: dict[str, Any]) -> None:
    """Take a value out where it was, and put it where it is now unless there is one already."""
    last, new = move.source[-1], move.target[-1]
    holder = made if len(move.source) == 1 else made.get(move.source[0])
    into = made if len(move.target) == 1 else made.get(move.target[0], {})
    if not isinstance(holder, dict) or last not in holder:
        return
    if not isinstance(into, dict) or new in into:
        return
    value = run_plan(move.plan, holder[last])
    if holder is made:
        del made[last]
    else:
        made[move.source[0]] = {name: item for name, item in holder.items() if name != last}
    if into is made:
        made[new] = value
    else:
        made[move.target[0]] = {**into, new: value}
