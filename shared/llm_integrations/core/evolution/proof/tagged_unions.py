"""Unions whose branches exclude each other: by the JSON type, or by a property, their tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, json_key
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints

__all__ = ["TaggedUnion", "TaggedUnions"]

_MOST_VALUES: Final = 500
_OBJECT: Final = frozenset({"object"})


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """Branches of which a value satisfies one at the most.

    Attributes:
        name: the property that is the tag, which all branches for objects require; empty where
            there is one such branch at the most.
        by_kind: the branches for values that are no objects, or the only one for these.
        by_value: the branches for objects, by the values of their tags as ``json_key`` has them.
    """

    name: str = ""
    by_kind: dict[str, Node] = field(default_factory=dict)
    by_value: dict[str, Node] = field(default_factory=dict)


class TaggedUnions:
    """Recognises them; each list of branches is looked at once."""

    def __init__(
        self, constraints: Callable[[Sequence[Node]], Constraints], children: ChildSchemas
    ) -> None:
        self._constraints = constraints
        self._children = children
        self._known: dict[int, tuple[list[Node], TaggedUnion | None]] = {}
        self._labels: dict[int, tuple[list[Node], TaggedUnion | None]] = {}

    def of(self, branches: list[Node]) -> TaggedUnion | None:
        """What tells the branches apart; None where they may overlap."""
        if id(branches) not in self._known:
            # The list is kept, so that no other gets its identity.
            self._known[id(branches)] = branches, self._told_apart(branches)
        return self._known[id(branches)][1]

    def possible(self, branches: list[Node], constraints: Constraints) -> list[Node] | None:
        """The branches that a value may satisfy; None where they may overlap."""
        union = self.of(branches)
        if union is None:
            return None
        found = [node for kind, node in union.by_kind.items() if kind in constraints.kinds]
        if union.name and "object" in constraints.kinds:
            values = self.tag_values(constraints, union.name)
            keys = union.by_value if values is None else values
            found += [union.by_value[key] for key in keys if key in union.by_value]
        return list({id(node): node for node in found}.values())

    def likely(self, branches: list[Node], constraints: Constraints) -> list[Node] | None:
        """The branches that fit a property which tells them apart where it is there, as a tag with
        a default; None without one. Others may hold too, where it is absent."""
        union = self.labelled(branches)
        nodes = self._children.property_nodes(constraints, union.name) if union else []
        listed = [node["enum"] for node in nodes if "enum" in node]
        if union is None or not listed:
            return None
        keys = set(map(json_key, listed[0]))
        return [node for key, node in union.by_value.items() if key in keys]

    def labelled(self, branches: list[Node]) -> TaggedUnion | None:
        """What tells the branches apart where it is there."""
        if id(branches) not in self._labels:
            self._labels[id(branches)] = branches, self._label(branches)
        return self._labels[id(branches)][1]

    def _label(self, branches: list[Node]) -> TaggedUnion | None:
        objects = [(branch, self._constraints([branch])) for branch in branches]
        named = [self._children.names(constraints) for _, constraints in objects]
        for name in sorted(set[str]().union(*named[:1]).intersection(*named)):
            by_value = self._by_tag(objects, name)
            if by_value is not None:
                return TaggedUnion(name, {}, by_value)
        return None

    def tag_values(self, constraints: Constraints, name: str) -> list[str] | None:
        """What a property can be, as ``json_key`` has it; None where that cannot be listed."""
        values = self._constraints(self._children.property_nodes(constraints, name)).values
        return None if values is None or len(values) > _MOST_VALUES else [*map(json_key, values)]

    def _told_apart(self, branches: list[Node]) -> TaggedUnion | None:
        objects: list[tuple[Node, Constraints]] = []
        by_kind: dict[str, Node] = {}
        for branch in branches:
            constraints = self._constraints([branch])
            if constraints.kinds == _OBJECT:
                objects.append((branch, constraints))
            elif constraints.kinds & (by_kind.keys() | _OBJECT):
                return None
            else:
                by_kind.update(dict.fromkeys(constraints.kinds, branch))
        if len(objects) < 2:
            by_kind.update((("object", branch) for branch, _ in objects))
            return TaggedUnion("", by_kind)
        for name in sorted(frozenset.intersection(*(frozenset(c.required) for _, c in objects))):
            by_value = self._by_tag(objects, name)
            if by_value is not None:
                return TaggedUnion(name, by_kind, by_value)
        return None

    def _by_tag(
        self, objects: Sequence[tuple[Node, Constraints]], name: str
    ) -> dict[str, Node] | None:
        found: dict[str, Node] = {}
        for branch, constraints in objects:
            values = self.tag_values(constraints, name)
            if values is None or not found.keys().isdisjoint(values):
                return None
            found.update(dict.fromkeys(values, branch))
        return found
