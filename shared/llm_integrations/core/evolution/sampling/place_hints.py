"""What a sampler knows at one place of a schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_integrations.core.evolution.normal_form.nodes import Node
from llm_integrations.core.evolution.proof.constraints import Facts
from llm_integrations.core.evolution.sampling.choices import Chooser

__all__ = ["PlaceHints"]


@dataclass(frozen=True, slots=True)
class PlaceHints:
    """What a sampler knows at one place, for ``ways_to_fail``."""

    negation: Callable[[Node], Node]
    find: Callable[[str, Node | str, Facts, Chooser], list[str]]
    facts: Facts
    chooser: Chooser

    def names(self, keyword: str, about: Node | str) -> list[str]:
        return self.find(keyword, about, self.facts, self.chooser)
