"""Rules for types, numbers, strings and listed values."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from llm_integrations.core.evolution.normal_form.nodes import (
    CONTENT,
    STRICT_INTEGER,
    Node,
    json_key,
)
from llm_integrations.core.evolution.patterns.languages import Text, counterexample
from llm_integrations.core.evolution.proof.constraints import NUMERIC, Facts, kinds_of

if TYPE_CHECKING:
    from llm_integrations.core.evolution.proof.prover import Prover, Rule

__all__ = ["RULES"]


def _type(_: Prover, facts: Facts, goal: Node) -> bool:
    return facts.kinds <= kinds_of(goal["type"])


def _strict_integer(_: Prover, facts: Facts, _goal: Node) -> bool:
    return facts.strict_integer or not facts.kinds & NUMERIC


def _enum(prover: Prover, facts: Facts, goal: Node) -> bool:
    values = prover.finite_values(facts)
    if values is None:
        return False
    wanted = {json_key(value) for value in goal["enum"]}
    return all(json_key(value) in wanted for value in values)


def _minimum(_: Prover, facts: Facts, goal: Node) -> bool:
    return _above(facts, goal["minimum"], exclusive=False)


def _exclusive_minimum(_: Prover, facts: Facts, goal: Node) -> bool:
    return _above(facts, goal["exclusiveMinimum"], exclusive=True)


def _maximum(_: Prover, facts: Facts, goal: Node) -> bool:
    return _below(facts, goal["maximum"], exclusive=False)


def _exclusive_maximum(_: Prover, facts: Facts, goal: Node) -> bool:
    return _below(facts, goal["exclusiveMaximum"], exclusive=True)


def _above(facts: Facts, bound: Any, *, exclusive: bool) -> bool:
    if not facts.kinds & NUMERIC:
        return True
    low = facts.lower
    if low is not None and (low[0] > bound or (low[0] == bound and (low[1] or not exclusive))):
        return True
    whole = facts.integer_bounds()[0] if "fraction" not in facts.kinds else None
    return whole is not None and (whole > bound or (whole == bound and not exclusive))


def _below(facts: Facts, bound: Any, *, exclusive: bool) -> bool:
    if not facts.kinds & NUMERIC:
        return True
    high = facts.upper
    if high is not None and (high[0] < bound or (high[0] == bound and (high[1] or not exclusive))):
        return True
    whole = facts.integer_bounds()[1] if "fraction" not in facts.kinds else None
    return whole is not None and (whole < bound or (whole == bound and not exclusive))


def _multiple_of(_: Prover, facts: Facts, goal: Node) -> bool:
    if not facts.kinds & NUMERIC:
        return True
    steps = [Fraction(str(step)) for step in facts.multiples]
    if "fraction" not in facts.kinds:
        steps.append(Fraction(1))
    wanted = Fraction(str(goal["multipleOf"]))
    return any((step / wanted).denominator == 1 for step in steps)


def _min_length(_: Prover, facts: Facts, goal: Node) -> bool:
    if "string" not in facts.kinds or facts.count("minLength", 0) >= goal["minLength"]:
        return True
    return bool(facts.patterns) and _implies(facts, Text((), least=goal["minLength"]))


def _max_length(_: Prover, facts: Facts, goal: Node) -> bool:
    longest = facts.count("maxLength", float("inf"))
    if "string" not in facts.kinds or longest <= goal["maxLength"]:
        return True
    return bool(facts.patterns) and _implies(facts, Text((), most=goal["maxLength"]))


def _pattern(_: Prover, facts: Facts, goal: Node) -> bool:
    if "string" not in facts.kinds or goal["pattern"] in facts.patterns:
        return True
    return _implies(facts, Text((goal["pattern"],)))


def _implies(facts: Facts, goal: Text) -> bool:
    """Whether all texts that the facts allow are texts of the goal."""
    return counterexample(facts.text, goal) is None


def _format(_: Prover, facts: Facts, goal: Node) -> bool:
    return "string" not in facts.kinds or goal["format"] in facts.formats


def _content(_: Prover, facts: Facts, goal: Node) -> bool:
    same = any(node.get(CONTENT) == goal[CONTENT] for node in facts.nodes)
    return "string" not in facts.kinds or same


RULES: Final[dict[str, Rule]] = {
    "type": _type,
    STRICT_INTEGER: _strict_integer,
    "enum": _enum,
    "minimum": _minimum,
    "exclusiveMinimum": _exclusive_minimum,
    "maximum": _maximum,
    "exclusiveMaximum": _exclusive_maximum,
    "multipleOf": _multiple_of,
    "minLength": _min_length,
    "maxLength": _max_length,
    "pattern": _pattern,
    "format": _format,
    CONTENT: _content,
}
