"""Making objects that satisfy several nodes at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace
from llm_integrations.core.evolution.patterns.samples import sample_pattern
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.sampling.children import (
    DEEPEST,
    MOST_ITEMS,
    NoSample,
    Sample,
    sampled_child,
)
from llm_integrations.core.evolution.sampling.choices import Chooser, Full, Randomly

__all__ = ["FRESH_NAMES", "ObjectSampler"]

FRESH_NAMES: Final = ("extra", "other", "x", "_1", "Extra-Name", "a", "b", "é")
"""Names that schemas hardly declare."""

_MOST_OPTIONAL: Final = 100
_MOST_AT_RANDOM: Final = 8


class ObjectSampler:
    """Makes objects; the values in them by ``sample``."""

    def __init__(self, children: ChildSchemas, workspace: Workspace, sample: Sample) -> None:
        self._children = children
        self._workspace = workspace
        self._sample = sample

    def make(self, constraints: Constraints, chooser: Chooser, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name in self._wanted(constraints, chooser, depth):
            nodes = self._children.property_nodes(constraints, name)
            try:
                made[name] = sampled_child(self._sample, nodes, chooser, depth)
            except NoSample:
                if name in constraints.required:
                    raise
        self._fill(made, constraints, chooser, depth)
        if len(made) > constraints.count("maxProperties", len(made)):
            raise NoSample
        return made

    def _wanted(self, constraints: Constraints, chooser: Chooser, depth: int) -> list[str]:
        """The names to give values to: what is required, and some of what is not."""
        room = constraints.count("maxProperties", 1_000) - len(constraints.required)
        room = min(room, _MOST_OPTIONAL if isinstance(chooser, Full) else _MOST_AT_RANDOM)
        declared = dict.fromkeys(
            n for node in constraints.nodes for n in node.get("properties", ())
        )
        wanted = dict.fromkeys(n for n in declared if n in constraints.required)
        wanted.update(dict.fromkeys(sorted(constraints.required)))
        for name in declared:
            if name not in wanted and room > 0 and chooser.includes(depth):
                wanted[name] = None
                room -= 1
        ordered = [name for name in declared if name in wanted]
        return ordered + [name for name in wanted if name not in declared]

    def _fill(
        self, made: dict[str, Any], constraints: Constraints, chooser: Chooser, depth: int
    ) -> None:
        """Add properties that no node names: as many as are required, and at random one more."""
        least = int(constraints.count("minProperties", 0))
        is_map = not made and any(
            node.get("patternProperties") or node.get("additionalProperties")
            for node in constraints.nodes
        )
        wanted = max(least - len(made), int((is_map or not made) and chooser.includes(depth)))
        wanted = max(wanted, int(isinstance(chooser, Randomly) and chooser.includes(depth + 2)))
        if wanted > MOST_ITEMS:
            raise NoSample
        for name in self._further_names(constraints, wanted, chooser):
            if wanted <= 0:
                break
            if name not in made:
                try:
                    nodes = self._children.property_nodes(constraints, name)
                    made[name] = sampled_child(self._sample, nodes, chooser, depth)
                    wanted -= 1
                except NoSample:
                    continue
        if len(made) < least:
            raise NoSample

    def _further_names(
        self, constraints: Constraints, wanted: int, chooser: Chooser
    ) -> Iterator[str]:
        if wanted <= 0:
            return
        for node in constraints.nodes:
            for pattern in node.get("patternProperties", ()):
                for _ in range(wanted + 1):
                    drawn = sample_pattern(pattern, chooser.pick)
                    self._workspace.budget.spend(1 + len(drawn or pattern))
                    if drawn is not None:
                        yield drawn
            if "propertyNames" in node:
                yield from self._names_by(node["propertyNames"], wanted, chooser)
        yield from sorted(self._children.names(constraints))
        yield from FRESH_NAMES
        yield from (f"extra{i}" for i in range(wanted))

    def _names_by(self, node: Node, wanted: int, chooser: Chooser) -> Iterator[str]:
        string = self._workspace.add({"type": ["string"]})
        for seed in range(wanted + 2):
            draw = chooser if seed == 0 else Randomly(seed)
            try:
                yield self._sample([string, node], draw, DEEPEST - 2)
            except NoSample:
                continue
