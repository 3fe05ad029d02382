"""A change together with what it takes to show it by an instance."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm_integrations.core.evolution.differences.change import Change
from llm_integrations.core.evolution.differences.instance_path import InstancePath
from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.normal_form.nodes import Node

__all__ = ["Finding", "WitnessTarget"]


@dataclass(frozen=True, slots=True)
class WitnessTarget:
    """What an instance must be like to show a change.

    Attributes:
        node: what the reader refuses and the writer may allow.
        path: where in the instance.
    """

    node: Node
    path: InstancePath = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A change, and the instances that show it.

    Attributes:
        change: what differs.
        path: where in the instance.
        backward: the old data that new readers refuse because of it; None where there is none.
        forward: the new data that old readers refuse because of it.
    """

    change: Change
    path: InstancePath = ()
    backward: WitnessTarget | None = None
    forward: WitnessTarget | None = None

    def target(self, direction: Direction) -> WitnessTarget | None:
        """What shows that the change breaks data in a direction; None where nothing does."""
        return self.backward if direction == "backward" else self.forward

    def also_breaking(self, backward: bool, forward: bool) -> Finding:
        """The finding of a change that breaks data in these directions too."""
        backward |= self.change.breaks_backward
        forward |= self.change.breaks_forward
        change = replace(self.change, breaks_backward=backward, breaks_forward=forward)
        return replace(self, change=change)
