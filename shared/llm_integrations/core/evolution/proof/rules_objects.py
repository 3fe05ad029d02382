"""Rules for objects: named properties, properties by pattern, and all others."""

from __future__ import annotations

from typing import Final

from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.reasoner import Reasoner, rules_about

__all__ = ["RULES"]

_STRING: Final[Node] = {"type": ["string"]}


def _absent(reasoner: Reasoner, constraints: Constraints, name: str) -> bool:
    """Whether the object certainly lacks a property."""
    return reasoner.unsatisfiable(reasoner.children.property_nodes(constraints, name))


def _required(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return constraints.required.issuperset(goal["required"])


def _min_properties(_: Reasoner, constraints: Constraints, goal: Node) -> bool:
    certain = max(constraints.count("minProperties", 0), len(constraints.required))
    return bool(certain >= goal["minProperties"])


def _max_properties(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    most = goal["maxProperties"]
    if constraints.count("maxProperties", float("inf")) <= most:
        return True
    possible = _possible_names(reasoner, constraints)
    return possible is not None and len(possible) <= most


def _possible_names(reasoner: Reasoner, constraints: Constraints) -> list[str] | None:
    """All names that a property can have; None when they cannot be listed."""
    if not reasoner.unsatisfiable(reasoner.children.other_nodes(constraints)):
        return None
    return [
        name
        for name in sorted(reasoner.children.names(constraints))
        if not _absent(reasoner, constraints, name)
    ]


def _properties(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(
        reasoner.proves_child(reasoner.children.property_nodes(constraints, name), node)
        for name, node in goal["properties"].items()
    )


def _pattern_properties(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    children = reasoner.children
    return all(
        reasoner.proves_child(children.other_nodes(constraints, matching=pattern), node)
        and all(
            reasoner.proves_child(children.property_nodes(constraints, name), node)
            for name in sorted(children.names(constraints))
            if children.matching([pattern], name)
        )
        for pattern, node in goal["patternProperties"].items()
    )


def _additional_properties(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    patterns = goal.get("patternProperties", {}).keys()
    declared = goal.get("properties", {}).keys()
    rest = goal["additionalProperties"]
    return _rest(reasoner, constraints, rest, declared, patterns)


def _rest(
    reasoner: Reasoner, constraints: Constraints, goal: Node, declared: set[str], patterns: set[str]
) -> bool:
    """Whether the goal holds for each property that is not declared and matches no pattern."""
    children = reasoner.children
    return all(
        reasoner.proves_child(children.property_nodes(constraints, name), goal)
        for name in sorted(children.names(constraints) - declared)
        if not _matches_surely(reasoner, patterns, name)
    ) and reasoner.proves_child(children.other_nodes(constraints, excluded=patterns), goal)


def _matches_surely(reasoner: Reasoner, patterns: set[str], name: str) -> bool:
    return any(reasoner.oracle.matches(pattern, name) is Answer.YES for pattern in patterns)


def _unevaluated_properties(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    declared: set[str] = set()
    patterns: set[str] = set()
    for part in reasoner.workspace.applied(goal, conditional=False):
        if "additionalProperties" in part or (part is not goal and "unevaluatedProperties" in part):
            return True
        declared |= part.get("properties", {}).keys()
        patterns |= part.get("patternProperties", {}).keys()
    return _rest(reasoner, constraints, goal["unevaluatedProperties"], declared, patterns)


def _property_names(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    names = _possible_names(reasoner, constraints)
    wanted = goal["propertyNames"]
    if names is not None:
        return all(reasoner.oracle.is_valid(wanted, name) is Answer.YES for name in names)
    known = [node["propertyNames"] for node in constraints.nodes if "propertyNames" in node]
    return reasoner.proves_child([_STRING, *known], wanted)


def _dependent_required(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(
        _with(reasoner, constraints, name, reasoner.workspace.needing(needed))
        for name, needed in goal["dependentRequired"].items()
    )


def _dependent_schemas(reasoner: Reasoner, constraints: Constraints, goal: Node) -> bool:
    return all(
        _with(reasoner, constraints, name, node) for name, node in goal["dependentSchemas"].items()
    )


def _with(reasoner: Reasoner, constraints: Constraints, name: str, goal: Node) -> bool:
    """Whether the goal holds for all objects that have a property."""
    if _absent(reasoner, constraints, name):
        return True
    return reasoner.proves([*constraints.nodes, reasoner.workspace.having(name)], goal)


RULES: Final = rules_about(
    ["object"],
    {
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
    },
)
