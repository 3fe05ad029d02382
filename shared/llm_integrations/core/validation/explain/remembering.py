"""Verdicts by a schema that the engine could look through for ever.

Where references fan out to the same definitions again and again, the engine asks each of them about
the same value each time. Here every subschema is asked about every value once, in Python, which is
slower for each step, and takes no more of them than the schema's size times the data's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from llm_integrations.core.jsonschema.location import SchemaLocation
from llm_integrations.core.validation.explain.plan import Plan
from llm_integrations.core.validation.explain.subschemas import Subschemas
from llm_integrations.core.validation.explain.walk import Steps, walk

__all__ = ["RememberedVerdicts"]

_KINDS: Final = frozenset({dict, list, str, int, float, bool, type(None)})


class RememberedVerdicts:
    """The verdicts on one value and its parts, by a schema without NOT_REMEMBERED."""

    def __init__(self, subschemas: Subschemas) -> None:
        self._subschemas = subschemas
        self._known: dict[Hashable, bool] = {}

    def accepts(self, location: SchemaLocation, value: Any) -> bool:
        """Whether a subschema accepts a value; ValueError for what is no JSON type."""
        return walk((location, value), self._judge, self._known, True)

    def _judge(self, location: SchemaLocation, value: Any) -> Steps[bool]:
        if isinstance(location.schema, bool):
            return location.schema
        if type(value) not in _KINDS:
            raise ValueError("no JSON type")
        plan = self._subschemas.plan(location)
        return (
            plan.asserts(value)
            and (yield from self._accepts_members(plan, value))
            and (yield from self._accepts_itself(plan, value))
        )

    def _accepts_members(self, plan: Plan, value: Any) -> Steps[bool]:
        for _, part, member in plan.members(value):
            if not (yield part, member):
                return False
        if type(value) is dict:
            for name in value if plan.names is not None else ():
                if plan.names is not None and not (yield plan.names, name):
                    return False
            return not plan.unexpected(value)
        if type(value) is list and plan.contains is not None:
            number = 0
            for item in value:
                number += yield plan.contains, item
            if plan.contains_too_few_or_many(number) is not None:
                return False
        return not (type(value) is list and plan.has_items_too_many(value))

    def _accepts_itself(self, plan: Plan, value: Any) -> Steps[bool]:
        for part in (*plan.before_unions(value), *plan.references):
            if not (yield part, value):
                return False
        for keyword, branches in plan.unions:
            if not (yield from self._accepts_union(keyword, branches, value)):
                return False
        if plan.excluded is not None and (yield plan.excluded, value):
            return False
        if plan.condition is None:
            return True
        test, then, otherwise = plan.condition
        part_or_none = then if (yield test, value) else otherwise
        return part_or_none is None or (yield part_or_none, value)

    def _accepts_union(
        self, keyword: str, branches: list[SchemaLocation], value: Any
    ) -> Steps[bool]:
        fits = 0
        for branch in branches:
            fits += yield branch, value
            if fits and keyword == "anyOf":
                return True
        return fits == 1
