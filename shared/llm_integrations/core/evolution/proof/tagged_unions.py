"""Unions whose branches exclude each other: by the JSON type, or by a property, their tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from llm_integrations.core.evolution.normal_form.nodes import Node, is_false, json_key
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints

__all__ = ["TaggedUnion", "TaggedUnions"]

_MOST_VALUES: Final = 500
_OBJECT: Final = frozenset({"object"})


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """Branches of which a value satisfies one at the most, where it has the tag.

    Attributes:
        name: the property that is the tag; empty where there is one branch for objects at the most.
        by_kind: the branches for values that are no objects, or the only one for these.
        by_value: the branches for objects, by the values of their tags as ``json_key`` has them.
        required: whether all branches for objects require the tag; one with a default may be
            left out, and several branches may hold then.
    """

    name: str = ""
    by_kind: dict[str, Node] = field(default_factory=dict)
    by_value: dict[str, Node] = field(default_factory=dict)
    required: bool = True


class TaggedUnions:
    """Recognises them; each list of branches is looked at once."""

    def __init__(
        self, constraints: Callable[[Sequence[Node]], Constraints], children: ChildSchemas
    ) -> None:
        self._constraints = constraints
        self._children = children
        self._known: dict[int, tuple[list[Node], TaggedUnion | None]] = {}

    def of(self, branches: list[Node]) -> TaggedUnion | None:
        """What tells the branches apart; None where nothing does."""
        if id(branches) not in self._known:
            # The list is kept, so that no other gets its identity.
            self._known[id(branches)] = branches, self._told_apart(branches)
        return self._known[id(branches)][1]

    def possible(self, branches: list[Node], constraints: Constraints) -> list[Node] | None:
        """The branches that a value may satisfy; None where they may overlap."""
        union = self.of(branches)
        if union is None or self.may_lack(union, constraints):
            return None
        found = [node for kind, node in union.by_kind.items() if kind in constraints.kinds]
        if union.name and "object" in constraints.kinds:
            found += self._tagged(union, constraints)
        return list({id(node): node for node in found}.values())

    def may_lack(self, union: TaggedUnion, constraints: Constraints) -> bool:
        """Whether the tag may be left out, so that several branches may hold."""
        known = union.required or union.name in constraints.required
        return not known and "object" in constraints.kinds

    def lacks(self, union: TaggedUnion, constraints: Constraints) -> bool:
        """Whether the tag is certainly left out."""
        return any(map(is_false, self._children.property_nodes(constraints, union.name)))

    def likely(self, branches: list[Node], constraints: Constraints) -> list[Node] | None:
        """The branches that fit the tag if it is there; None where no tag is known, or where it is
        left out. Others may hold too, if it can be."""
        union = self.of(branches)
        if union is None or not union.name or self.lacks(union, constraints):
            return None
        if self.tag_values(constraints, union.name) is None:
            return None
        return self._tagged(union, constraints)

    def _tagged(self, union: TaggedUnion, constraints: Constraints) -> list[Node]:
        values = self.tag_values(constraints, union.name)
        keys = union.by_value if values is None else values
        return [union.by_value[key] for key in keys if key in union.by_value]

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
        required = frozenset.intersection(*(frozenset(c.required) for _, c in objects))
        named = [self._children.names(constraints) for _, constraints in objects]
        for name in (*sorted(required), *sorted(set.intersection(*named) - required)):
            by_value = self._by_tag(objects, name)
            if by_value is not None:
                return TaggedUnion(name, by_kind, by_value, name in required)
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
