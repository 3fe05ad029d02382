"""Rules for types, numbers, strings and listed values."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

from llm_integrations.core.evolution.normal_form.nodes import (
    CONTENT,
    STRICT_INTEGER,
    Node,
    json_key,
)
from llm_integrations.core.evolution.patterns.languages import TextConstraints
from llm_integrations.core.evolution.proof.constraints import NUMERIC, Constraints, kinds_of
from llm_integrations.core.evolution.proof.reasoner import Reasoner, Rule, rules_about

__all__ = ["RULES"]


def _type(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return constraints.kinds <= kinds_of(goal["type"])


def _strict_integer(_: Reasoner, constraints: Constraints, _goal: Node) -> bool:
    return constraints.strict_integer


def _enum(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    values = reasoner.finite_values(constraints)
    if values is None:
        return False
    wanted = {json_key(value) for value in goal["enum"]}
    return all(json_key(value) in wanted for value in values)


def _minimum(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return _above(constraints, goal["minimum"], exclusive=False)


def _exclusive_minimum(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return _above(constraints, goal["exclusiveMinimum"], exclusive=True)


def _above(constraints: Constraints, bound: Any, *, exclusive: bool) -> bool:
    whole = None if "fraction" in constraints.kinds else constraints.integer_bounds()[0]
    known = (constraints.lower, None if whole is None else (whole, False))
    return any(
        low[0] > bound or (low[0] == bound and (low[1] or not exclusive)) for low in known if low
    )


def _maximum(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return _below(constraints, goal["maximum"], exclusive=False)


def _exclusive_maximum(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return _below(constraints, goal["exclusiveMaximum"], exclusive=True)


def _below(constraints: Constraints, bound: Any, *, exclusive: bool) -> bool:
    whole = None if "fraction" in constraints.kinds else constraints.integer_bounds()[1]
    known = (constraints.upper, None if whole is None else (whole, False))
    return any(
        high[0] < bound or (high[0] == bound and (high[1] or not exclusive))
        for high in known
        if high
    )


def _multiple_of(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    steps = [Fraction(str(step)) for step in constraints.multiples]
    if "fraction" not in constraints.kinds:
        steps.append(Fraction(1))
    wanted = Fraction(str(goal["multipleOf"]))
    return any((step / wanted).denominator == 1 for step in steps)


def _min_length(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    least = goal["minLength"]
    known = constraints.count("minLength", 0) >= least
    return known or (
        bool(constraints.patterns) and constraints.implies_text(TextConstraints(least=least))
    )


def _max_length(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    most = goal["maxLength"]
    known = constraints.count("maxLength", math.inf) <= most
    return known or (
        bool(constraints.patterns) and constraints.implies_text(TextConstraints(most=most))
    )


def _pattern(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    pattern = goal["pattern"]
    return pattern in constraints.patterns or constraints.implies_text(TextConstraints((pattern,)))


def _format(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return goal["format"] in constraints.formats


def _content(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return any(node.get(CONTENT) == goal[CONTENT] for node in constraints.nodes)


RULES: Final[dict[str, Rule]] = {
    "type": _type,
    "enum": _enum,
    **rules_about(
        NUMERIC,
        {
            STRICT_INTEGER: _strict_integer,
            "minimum": _minimum,
            "exclusiveMinimum": _exclusive_minimum,
            "maximum": _maximum,
            "exclusiveMaximum": _exclusive_maximum,
            "multipleOf": _multiple_of,
        },
    ),
    **rules_about(
        ["string"],
        {
            "minLength": _min_length,
            "maxLength": _max_length,
            "pattern": _pattern,
            "format": _format,
            CONTENT: _content,
        },
    ),
}
