"""Which schemas apply to the children of an instance: its properties and items."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, is_false
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle

__all__ = ["ChildSchemas"]

_NOTHING: Final[Node] = {"not": {}}
_ANYTHING: Final[Node] = {}


class ChildSchemas:
    """Looks up what applies to a property, to the properties that no node names, or to an item."""

    def __init__(self, workspace: Workspace, oracle: ContainmentOracle) -> None:
        self._workspace = workspace
        self._oracle = oracle

    def names(self, constraints: Constraints) -> set[str]:
        """The names of properties that the constraints mention."""
        found = set(constraints.required)
        for node in constraints.nodes:
            self._workspace.budget.spend(1 + len(node.get("properties", ())))
            found.update(node.get("properties", ()))
            found.update(node.get("dependentRequired", ()))
            for listed in self._listed_names(node):
                self._workspace.budget.spend(len(listed))
                found.update(listed)
        return found

    def _listed_names(self, node: Node) -> Iterable[list[str]]:
        if "propertyNames" in node:
            for part in self._workspace.applied(node["propertyNames"], conditional=False):
                if "enum" in part:
                    yield [value for value in part["enum"] if isinstance(value, str)]

    def matching(self, patterns: Collection[str], name: str) -> list[str]:
        """The patterns that a name matches, or may match where they do not compile."""
        sure, unsure = self._oracle.matching(patterns, name)
        return sure + unsure

    def property_nodes(self, constraints: Constraints, name: str) -> list[Node]:
        """What holds for the value of a property, if the object has it."""
        found: list[Node] = []
        self._workspace.budget.spend(len(constraints.nodes))
        for node in constraints.nodes:
            found.extend(self._declared(node, name))
            if "unevaluatedProperties" in node and not self._evaluates(node, name):
                found.append(node["unevaluatedProperties"])
            names = node.get("propertyNames")
            if names is not None and self._oracle.refuses(names, name):
                found.append(_NOTHING)
        return found

    def _declared(self, node: Node, name: str) -> list[Node]:
        found = []
        if name in node.get("properties", ()):
            found.append(node["properties"][name])
        patterns = node.get("patternProperties", {})
        sure, unsure = self._oracle.matching(patterns, name) if patterns else ([], [])
        found.extend(patterns[p] for p in sure)
        if not found and not unsure and "additionalProperties" in node:
            found.append(node["additionalProperties"])
        return found

    def _evaluates(self, node: Node, name: str) -> bool:
        """Whether a neighbour of ``unevaluatedProperties`` might evaluate a property."""
        return any(
            name in part.get("properties", ())
            or _evaluates_all(part, node)
            or self.matching(part.get("patternProperties", ()), name)
            for part in self._workspace.applied(node, conditional=True)
        )

    def other_nodes(
        self, constraints: Constraints, *, matching: str | None = None, excluded: Iterable[str] = ()
    ) -> list[Node]:
        """What holds for the value of a property whose name ``names`` does not have.

        Args:
            constraints: about the object.
            matching: a pattern that the name is known to match.
            excluded: patterns that it is known not to match.
        """
        unmatched = set(excluded)
        self._workspace.budget.spend(len(unmatched))
        found = []
        for node in constraints.nodes:
            self._workspace.budget.spend(1 + len(node.get("patternProperties", ())))
            found.extend(self._others(node, matching, unmatched))
            if next(iter(self._listed_names(node)), None) is not None:
                found.append(_NOTHING)
            if "unevaluatedProperties" in node and not self._evaluates_others(node, unmatched):
                found.append(node["unevaluatedProperties"])
        return found

    def _others(self, node: Node, matching: str | None, unmatched: set[str]) -> list[Node]:
        patterns = node.get("patternProperties", {})
        if matching in patterns:
            return [patterns[matching]]
        possible = [patterns[p] for p in patterns if p not in unmatched]
        additional = node.get("additionalProperties", _ANYTHING)
        if not possible:
            return [additional] if additional else []
        if is_false(additional):
            return [self._workspace.either(possible)]
        return [self._workspace.either([additional, *possible])]

    def _evaluates_others(self, node: Node, unmatched: set[str]) -> bool:
        return any(
            _evaluates_all(part, node) or part.get("patternProperties", {}).keys() - unmatched
            for part in self._workspace.applied(node, conditional=True)
        )

    def item_nodes(self, constraints: Constraints, index: int) -> list[Node]:
        """What holds for the item at an index, if the array is that long."""
        found = []
        self._workspace.budget.spend(len(constraints.nodes))
        for node in constraints.nodes:
            listed = node.get("prefixItems", ())
            if index < len(listed):
                found.append(listed[index])
            elif "items" in node:
                found.append(node["items"])
        if index >= constraints.count("maxItems", index + 1):
            found.append(_NOTHING)
        return found

    def listed_items(self, constraints: Constraints) -> int:
        """How many items have a place of their own in some node."""
        return max((len(node.get("prefixItems", ())) for node in constraints.nodes), default=0)


def _evaluates_all(part: Node, node: Node) -> bool:
    """Whether a neighbour of a node evaluates all properties that it does not name."""
    return "additionalProperties" in part or (part is not node and "unevaluatedProperties" in part)
