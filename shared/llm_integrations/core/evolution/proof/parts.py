"""What nodes say about the parts of an instance: its properties, its items."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace, is_false
from llm_integrations.core.evolution.proof.constraints import Facts
from llm_integrations.core.evolution.proof.containment import Engine

__all__ = ["Parts"]

_NOTHING: Final[Node] = {"not": {}}
_ANYTHING: Final[Node] = {}


class Parts:
    """Looks up what applies to one property, to the properties nobody names, or to one item."""

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        self._workspace = workspace
        self._engine = engine

    def names(self, facts: Facts) -> set[str]:
        """The names of properties that the facts mention in any way."""
        found = set(facts.required)
        for node in facts.nodes:
            found.update(node.get("properties", ()))
            found.update(node.get("dependentRequired", ()))
            for listed in self._listed_names(node):
                found.update(listed)
        return found

    def _listed_names(self, node: Node) -> Iterable[list[str]]:
        if "propertyNames" in node:
            for part in self._workspace.applied(node["propertyNames"], conditional=False):
                if "enum" in part:
                    yield [value for value in part["enum"] if isinstance(value, str)]

    def matching(self, patterns: Iterable[str], name: str) -> list[str]:
        """The patterns that match a name; one that cannot be tried counts as matching."""
        return [p for p in patterns if self._engine.matches(p, name) is not False]

    def property_nodes(self, facts: Facts, name: str) -> list[Node]:
        """What holds for the value of a property, if the object has it."""
        found: list[Node] = []
        for node in facts.nodes:
            found.extend(self._declared(node, name))
            if "unevaluatedProperties" in node and not self._evaluates(node, name):
                found.append(node["unevaluatedProperties"])
            if self._refuses_name(node, name):
                found.append(_NOTHING)
        return found

    def _refuses_name(self, node: Node, name: str) -> bool:
        names = node.get("propertyNames")
        return names is not None and self._engine.is_valid(names, name) is False

    def _declared(self, node: Node, name: str) -> list[Node]:
        found = []
        if name in node.get("properties", ()):
            found.append(node["properties"][name])
        patterns = node.get("patternProperties", {})
        sure = [p for p in patterns if self._engine.matches(p, name)]
        found.extend(patterns[p] for p in sure)
        if not found and not self.matching(patterns, name) and "additionalProperties" in node:
            found.append(node["additionalProperties"])
        return found

    def _evaluates(self, node: Node, name: str) -> bool:
        """Whether a neighbour of ``unevaluatedProperties`` might evaluate a property."""
        for part in self._workspace.applied(node, conditional=True):
            if name in part.get("properties", ()) or "additionalProperties" in part:
                return True
            if part is not node and "unevaluatedProperties" in part:
                return True
            if self.matching(part.get("patternProperties", ()), name):
                return True
        return False

    def other_nodes(
        self, facts: Facts, *, matching: str | None = None, excluded: Iterable[str] = ()
    ) -> list[Node]:
        """What holds for the value of a property whose name ``names`` does not have.

        Args:
            facts: about the object.
            matching: a pattern that the name is known to match.
            excluded: patterns that it is known not to match.
        """
        unmatched = set(excluded)
        found = []
        for node in facts.nodes:
            found.extend(self._others(node, matching, unmatched))
            if self._names_are_listed(node):
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

    def _names_are_listed(self, node: Node) -> bool:
        return any(True for _ in self._listed_names(node))

    def _evaluates_others(self, node: Node, unmatched: set[str]) -> bool:
        for part in self._workspace.applied(node, conditional=True):
            if (
                "additionalProperties" in part
                or part.get("patternProperties", {}).keys() - unmatched
            ):
                return True
            if part is not node and "unevaluatedProperties" in part:
                return True
        return False

    def item_nodes(self, facts: Facts, index: int) -> list[Node]:
        """What holds for the item at an index, if the array is that long."""
        found = []
        for node in facts.nodes:
            listed = node.get("prefixItems", ())
            if index < len(listed):
                found.append(listed[index])
            elif "items" in node:
                found.append(node["items"])
        if index >= facts.count("maxItems", index + 1):
            found.append(_NOTHING)
        return found

    def listed_items(self, facts: Facts) -> int:
        """How many items have a place of their own in some node."""
        return max((len(node.get("prefixItems", ())) for node in facts.nodes), default=0)
