"""What is to be done to old data, place by place: the form of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["Case", "Move", "Plan", "Test"]

_Kind = Literal[
    "keep", "object", "array", "union", "constant", "wrap", "spelling",
    "text", "integer", "number", "whole", "boolean",
]  # fmt: skip
_BUILT: Final = frozenset({"keep", "object", "array", "union"})
"""Kinds that change a value through their parts alone."""


@dataclass(frozen=True, slots=True)
class Test:
    """How to tell that a value belongs to a branch: a property's value, or its JSON type."""

    name: str = ""
    value: Any = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A branch of a union: when it applies, and what to do then."""

    test: Test
    plan: Plan


@dataclass(frozen=True, slots=True)
class Move:
    """A value that has its place elsewhere now: property names from the object at hand."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    plan: Plan


@dataclass(slots=True, eq=False)
class Plan:
    """What to do with the values at one place.

    Attributes:
        kind: keep it; an object or array to rebuild; a union to look into; a new constant; a value
            to put into a list of one; a text that is spelled otherwise now; or a conversion, by
            what it makes: a text, a whole number of a text, any number of a text, a whole number
            of a number, a boolean of a text.
        label: what people may call the value.
        only: the JSON type that the plan applies to; empty when every value has it.
        moves: values that change their place, before all else.
        renames: property names, old to new.
        defaults: values for properties that are required now.
        drops: properties that are refused now.
        emptied: properties that go when nothing is left in them.
        unless_null: properties that go when they are null, which is refused now.
        parts: plans for properties.
        rest: the plan for all properties that are not ``named``.
        items: the plan for items.
        cases: the branches of a union.
        constant: the only value allowed now.
        spellings: old texts to new.
    """

    kind: _Kind = "keep"
    label: str = "value"
    only: str = ""
    moves: list[Move] = field(default_factory=list)
    renames: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    unless_null: list[str] = field(default_factory=list)
    parts: dict[str, Plan] = field(default_factory=dict)
    rest: Plan | None = None
    named: list[str] = field(default_factory=list)
    items: Plan | None = None
    cases: list[Case] = field(default_factory=list)
    constant: Any = None
    spellings: dict[str, str] = field(default_factory=dict)

    def children(self) -> Iterator[Plan]:
        yield from self.parts.values()
        yield from (plan for plan in (self.rest, self.items) if plan is not None)
        yield from (case.plan for case in self.cases)

    def changes_something(self) -> bool:
        """Whether following the plan can change any value."""
        seen: set[int] = set()
        stack: list[Plan] = [self]
        while stack:
            plan = stack.pop()
            if id(plan) in seen:
                continue
            seen.add(id(plan))
            if plan.kind not in _BUILT:
                return True
            if plan.moves or plan.renames or plan.defaults or plan.drops or plan.unless_null:
                return True
            stack.extend(plan.children())
        return False
