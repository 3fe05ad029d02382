"""Where in an instance a difference shows, and what an instance is like that has it there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.patterns.samples import Pick, sample_pattern

__all__ = ["InstancePath", "InstanceStep", "demanding", "where_text"]

_ANYTHING: Final[Node] = {}

_UNDECLARED: Final = "undeclared"
"""The name for a property that the schema does not name; hardly any schema declares it."""

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class InstanceStep:
    """One step into an instance.

    Attributes:
        kind: a named property; one whose name matches a pattern; any other property; the item at
            an index; any item from an index on.
        name: the property's name, or the pattern.
        index: the item's index, or the first of many.
        branch: for a step into a branch of a union, which stays at the same value: the branch on
            the old side and on the new one.
    """

    kind: Literal["property", "pattern", "other", "item", "items", "branch"]
    name: str = ""
    index: int = 0
    branch: tuple[Node, Node] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        match self.kind:
            case "property":
                return f".{self.name}" if _PLAIN.fullmatch(self.name) else f"[{self.name!r}]"
            case "pattern":
                return f"[/{self.name}/]"
            case "other":
                return "[…]"
            case "item":
                return f"[{self.index}]"
            case "branch":
                return ""
        return "[*]"


InstancePath = tuple[InstanceStep, ...]
"""From the whole instance to a value inside of it; empty for the whole."""


def where_text(path: InstancePath) -> str:
    """The place for people, as ``user.tags[*]``; empty for the whole."""
    return "".join(map(str, path)).removeprefix(".")


def demanding(node: Node, path: InstancePath, direction: Direction, pick: Pick) -> Node:
    """A node for the whole instance that demands ``node`` where the path leads."""
    for step in reversed(path):
        if step.branch is not None:
            node = {"allOf": [step.branch[0 if direction == "backward" else 1], node]}
        else:
            node = _around(node, step, pick)
    return node


def _around(node: Node, step: InstanceStep, pick: Pick) -> Node:
    if step.kind in ("item", "items"):
        listed = [*[_ANYTHING] * step.index, node]
        return {"type": ["array"], "minItems": step.index + 1, "prefixItems": listed}
    name = _UNDECLARED
    if step.kind == "property":
        name = step.name
    elif step.kind == "pattern":
        name = sample_pattern(step.name, pick) or _UNDECLARED
    return {"type": ["object"], "required": [name], "properties": {name: node}}
