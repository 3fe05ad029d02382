"""Following a plan without generating code for it: what the generated ``migrate`` does."""

from __future__ import annotations

from typing import Any

from llm_integrations.core.evolution.guide.migrate_plan import Plan, Test
from llm_integrations.core.evolution.normal_form.nodes import json_key
from llm_integrations.core.evolution.proof.constraints import kind_of

__all__ = ["run_plan"]


def run_plan(plan: Plan, value: Any) -> Any:
    """The value as the plan wants it; the input stays as it is."""
    match plan.kind:
        case "constant":
            return plan.constant
        case "text":
            return str(value)
        case "wrap":
            return [value]
        case "array" if plan.items is not None and isinstance(value, list):
            return [run_plan(plan.items, item) for item in value]
        case "union":
            return _union(plan, value)
        case "object" if isinstance(value, dict):
            return _object(plan, value)
    return value


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
    gone = {name for name in plan.unless_null if value.get(name, 0) is None}.union(plan.drops)
    made = {name: item for name, item in value.items() if name not in gone}
    for old in plan.renames.keys() & made.keys():
        made[plan.renames[old]] = made.pop(old)
    for name in plan.parts.keys() & made.keys():
        made[name] = run_plan(plan.parts[name], made[name])
    if plan.rest is not None:
        known = {*plan.parts, *plan.defaults, *plan.renames.values()}
        for name in made.keys() - known:
            made[name] = run_plan(plan.rest, made[name])
    return plan.defaults | made
