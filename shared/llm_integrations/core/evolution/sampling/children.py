"""What objects and arrays are made of: values for their children."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llm_integrations.core.evolution.normal_form.nodes import Node, is_false
from llm_integrations.core.evolution.sampling.choices import Chooser

__all__ = ["DEEPEST", "MOST_ITEMS", "NoSample", "Sample", "sampled_child"]

DEEPEST: Final = 24
MOST_ITEMS: Final = 300


class NoSample(Exception):
    """Inner signal: these choices lead to no instance."""


Sample = Callable[[Sequence[Node], Chooser, int], Any]
"""Makes one instance of all the nodes, at a depth. NoSample when the choices lead to none."""


def sampled_child(sample: Sample, nodes: list[Node], chooser: Chooser, depth: int) -> Any:
    """A value for a property or an item, one level further down."""
    if any(is_false(node) for node in nodes):
        raise NoSample
    return sample(nodes, chooser, depth + 1)
