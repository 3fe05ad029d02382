"""Rules for objects: each property, and those that nobody names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.proof.constraints import Facts

if TYPE_CHECKING:
    from llm_integrations.core.evolution.proof.prover import Prover, Rule

__all__ = ["RULES"]

_STRING: Final[Node] = {"type": ["string"]}


def _can_be_object(facts: Facts) -> bool:
    return "object" in facts.kinds


def _absent(prover: Prover, facts: Facts, name: str) -> bool:
    """Whether the object certainly lacks a property."""
    return prover.unsatisfiable(prover.parts.property_nodes(facts, name))


def _required(_: Prover, facts: Facts, goal: Node) -> bool:
    return not _can_be_object(facts) or facts.required.issuperset(goal["required"])


def _min_properties(_: Prover, facts: Facts, goal: Node) -> bool:
    certain = max(facts.count("minProperties", 0), len(facts.required))
    return not _can_be_object(facts) or certain >= goal["minProperties"]


def _max_properties(prover: Prover, facts: Facts, goal: Node) -> bool:
    most = goal["maxProperties"]
    if not _can_be_object(facts) or facts.count("maxProperties", float("inf")) <= most:
        return True
    possible = _possible_names(prover, facts)
    return possible is not None and len(possible) <= most


def _possible_names(prover: Prover, facts: Facts) -> list[str] | None:
    """All names that a property can have; None when they cannot be listed."""
    if not prover.unsatisfiable(prover.parts.other_nodes(facts)):
        return None
    return [name for name in sorted(prover.parts.names(facts)) if not _absent(prover, facts, name)]


def _properties(prover: Prover, facts: Facts, goal: Node) -> bool:
    if not _can_be_object(facts):
        return True
    return all(
        prover.inside(prover.parts.property_nodes(facts, name), node)
        for name, node in goal["properties"].items()
    )


def _pattern_properties(prover: Prover, facts: Facts, goal: Node) -> bool:
    if not _can_be_object(facts):
        return True
    parts = prover.parts
    return all(
        prover.inside(parts.other_nodes(facts, matching=pattern), node)
        and all(
            prover.inside(parts.property_nodes(facts, name), node)
            for name in sorted(parts.names(facts))
            if parts.matching([pattern], name)
        )
        for pattern, node in goal["patternProperties"].items()
    )


def _additional_properties(prover: Prover, facts: Facts, goal: Node) -> bool:
    patterns = goal.get("patternProperties", {}).keys()
    declared = goal.get("properties", {}).keys()
    rest = goal["additionalProperties"]
    return not _can_be_object(facts) or _rest(prover, facts, rest, declared, patterns)


def _rest(prover: Prover, facts: Facts, goal: Node, declared: set[str], patterns: set[str]) -> bool:
    """Whether the goal holds for each property that is not declared and matches no pattern."""
    parts = prover.parts
    return all(
        prover.inside(parts.property_nodes(facts, name), goal)
        for name in sorted(parts.names(facts) - declared)
        if not _matches_surely(prover, patterns, name)
    ) and prover.inside(parts.other_nodes(facts, excluded=patterns), goal)


def _matches_surely(prover: Prover, patterns: set[str], name: str) -> bool:
    return any(prover.engine.matches(pattern, name) for pattern in patterns)


def _unevaluated_properties(prover: Prover, facts: Facts, goal: Node) -> bool:
    if not _can_be_object(facts):
        return True
    declared: set[str] = set()
    patterns: set[str] = set()
    for part in prover.workspace.applied(goal, conditional=False):
        if "additionalProperties" in part or (part is not goal and "unevaluatedProperties" in part):
            return True
        declared |= part.get("properties", {}).keys()
        patterns |= part.get("patternProperties", {}).keys()
    return _rest(prover, facts, goal["unevaluatedProperties"], declared, patterns)


def _property_names(prover: Prover, facts: Facts, goal: Node) -> bool:
    if not _can_be_object(facts):
        return True
    names = _possible_names(prover, facts)
    wanted = goal["propertyNames"]
    if names is not None:
        return all(prover.engine.is_valid(wanted, name) is True for name in names)
    known = [node["propertyNames"] for node in facts.nodes if "propertyNames" in node]
    return prover.inside([_STRING, *known], wanted)


def _dependent_required(prover: Prover, facts: Facts, goal: Node) -> bool:
    return not _can_be_object(facts) or all(
        _with(prover, facts, name, prover.workspace.needing(needed))
        for name, needed in goal["dependentRequired"].items()
    )


def _dependent_schemas(prover: Prover, facts: Facts, goal: Node) -> bool:
    return not _can_be_object(facts) or all(
        _with(prover, facts, name, node) for name, node in goal["dependentSchemas"].items()
    )


def _with(prover: Prover, facts: Facts, name: str, goal: Node) -> bool:
    """Whether the goal holds for all objects that have a property."""
    if _absent(prover, facts, name):
        return True
    return prover.proves([*facts.nodes, prover.workspace.having(name)], goal)


RULES: Final[dict[str, Rule]] = {
    "required": _required,
    "minProperties": _min_properties,
    "maxProperties": _max_properties,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "unevaluatedProperties": _unevaluated_properties,
    "propertyNames": _property_names,
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
}
