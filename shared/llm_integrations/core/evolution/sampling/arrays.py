"""Making arrays that satisfy several nodes at once."""

from __future__ import annotations

from typing import Any, Final

from llm_integrations.core.evolution.normal_form.nodes import Node, is_false, json_key
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.sampling.children import (
    MOST_ITEMS,
    NoSample,
    Sample,
    sampled_child,
)
from llm_integrations.core.evolution.sampling.choices import Chooser, Randomly

__all__ = ["ArraySampler"]

_TRIES: Final = 40


class ArraySampler:
    """Makes arrays; the items in them by ``sample``."""

    def __init__(self, children: ChildSchemas, sample: Sample) -> None:
        self._children = children
        self._sample = sample

    def make(self, constraints: Constraints, chooser: Chooser, depth: int) -> list[Any]:
        length, demands = self._plan(constraints, chooser, depth)
        made: list[Any] = []
        repeats = any(node.get("uniqueItems") for node in constraints.negated)
        for index in range(length):
            nodes = self._children.item_nodes(constraints, index) + demands.get(index, [])
            if repeats and made and index == length - 1:
                made.append(made[0])
            else:
                made.append(self._item(nodes, made, constraints.unique, chooser, depth))
        return made

    def _plan(
        self, constraints: Constraints, chooser: Chooser, depth: int
    ) -> tuple[int, dict[int, list[Node]]]:
        """How long the array is, and which items must be what it contains."""
        contained = [
            node["contains"]
            for node in constraints.nodes
            if "contains" in node
            for _ in range(min(node.get("minContains", 1), MOST_ITEMS))
        ]
        least = max(int(constraints.count("minItems", 0)), len(contained))
        repeats = any(node.get("uniqueItems") for node in constraints.negated)
        if repeats:
            least = max(least, 2)
        most = constraints.count("maxItems", least + 3)
        if least > MOST_ITEMS or least > most:
            raise NoSample
        grown = least
        if chooser.includes(depth):
            grown = int(min(most, chooser.pick([max(least, 1), least, least + 1, least + 2])))
        while grown > least and self._ends(constraints, grown):
            grown -= 1
        first = 0 if repeats else grown - len(contained)
        return grown, {first + i: [node] for i, node in enumerate(contained)}

    def _ends(self, constraints: Constraints, length: int) -> bool:
        return any(is_false(node) for node in self._children.item_nodes(constraints, length - 1))

    def _item(
        self, nodes: list[Node], made: list[Any], unique: bool, chooser: Chooser, depth: int
    ) -> Any:
        value = sampled_child(self._sample, nodes, chooser, depth)
        if not unique:
            return value
        taken = {json_key(item) for item in made}
        for seed in range(_TRIES):
            if json_key(value) not in taken:
                return value
            value = sampled_child(self._sample, nodes, Randomly(f"{seed} {len(made)}"), depth)
        raise NoSample
