"""Rules for types, numbers, strings and listed values."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from operator import gt, lt
from typing import Any, Final

from llm_integrations.core.evolution.normal_form.nodes import (
    CONTENT,
    STRICT_INTEGER,
    Node,
    json_key,
)
from llm_integrations.core.evolution.patterns.languages import TextConstraints
from llm_integrations.core.evolution.patterns.syntax import exact_texts
from llm_integrations.core.evolution.proof.constraints import NUMERIC, Constraints, kinds_of
from llm_integrations.core.evolution.proof.reasoner import Reasoner, Rule, rules_about

__all__ = ["RULES"]


_MOST_TEXTS: Final = 200


def _type(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return constraints.kinds <= kinds_of(goal["type"])


def _strict_integer(_: Reasoner, constraints: Constraints, _goal: Node) -> bool:
    return constraints.strict_integer


def _enum(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    values = reasoner.finite_values(constraints)
    if values is None:
        return _only_listed_texts(constraints, goal["enum"])
    wanted = {json_key(value) for value in goal["enum"]}
    return all(json_key(value) in wanted for value in values)


def _only_listed_texts(constraints: Constraints, listed: list[Any]) -> bool:
    """Whether the patterns leave no text but listed ones, and no other value but null."""
    others = constraints.kinds - {"string"}
    if not constraints.patterns or not others <= {"null"} or (others and None not in listed):
        return False
    texts = [value for value in listed if isinstance(value, str)]
    return len(texts) <= _MOST_TEXTS and constraints.implies_text(
        TextConstraints((exact_texts(texts),))
    )


def _bound(keyword: str, side: int, is_beyond: Callable[[Any, Any], bool]) -> Rule:
    """The rule for a keyword that bounds numbers, on the lower side (0) or the upper one (1)."""
    exclusive = keyword.startswith("exclusive")

    def holds(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
        wanted = goal[keyword]
        whole = None if "fraction" in constraints.kinds else constraints.integer_bounds()[side]
        stated = (constraints.lower, constraints.upper)[side]
        known = (stated, None if whole is None else (whole, False))
        return any(
            is_beyond(bound[0], wanted) or (bound[0] == wanted and (bound[1] or not exclusive))
            for bound in known
            if bound
        )

    return holds


def _multiple_of(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    divisors = [Fraction(str(multiple)) for multiple in constraints.multiples]
    if "fraction" not in constraints.kinds:
        divisors.append(Fraction(1))
    wanted = Fraction(str(goal["multipleOf"]))
    return any((divisor / wanted).denominator == 1 for divisor in divisors)


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
            "minimum": _bound("minimum", 0, gt),
            "exclusiveMinimum": _bound("exclusiveMinimum", 0, gt),
            "maximum": _bound("maximum", 1, lt),
            "exclusiveMaximum": _bound("exclusiveMaximum", 1, lt),
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
