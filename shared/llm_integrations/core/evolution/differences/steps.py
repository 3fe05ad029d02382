"""Where in an instance a difference shows, and an instance that has it there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from llm_integrations.core.evolution.model.change import Direction
from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.patterns.samples import sample_pattern
from llm_integrations.core.evolution.sampling.choices import Chooser

__all__ = ["Step", "where_text", "wrap"]

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Step:
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


def where_text(steps: Sequence[Step]) -> str:
    """The place for people, as ``user.tags[*]``; empty for the whole."""
    return "".join(map(str, steps)).removeprefix(".")


def wrap(
    node: Node, steps: Sequence[Step], direction: Direction, chooser: Chooser, fresh: str
) -> Node:
    """A node for the whole instance that demands ``node`` at the place the steps lead to.

    ``fresh`` is a name that no schema declares.
    """
    for step in reversed(steps):
        if step.branch is not None:
            node = {"allOf": [step.branch[0 if direction == "backward" else 1], node]}
        else:
            node = _around(node, step, chooser, fresh)
    return node


def _around(node: Node, step: Step, chooser: Chooser, fresh: str) -> Node:
    if step.kind in ("item", "items"):
        listed: list[Node] = [*({} for _ in range(step.index)), node]
        return {"type": ["array"], "minItems": step.index + 1, "prefixItems": listed}
    name = fresh
    if step.kind == "property":
        name = step.name
    elif step.kind == "pattern":
        name = sample_pattern(step.name, chooser.pick) or fresh
    return {"type": ["object"], "required": [name], "properties": {name: node}}
