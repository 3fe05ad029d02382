"""What the rules for single keywords may ask of the prover that applies them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from llm_integrations.core.evolution.normal_form.nodes import Node, Workspace
from llm_integrations.core.evolution.proof.child_schemas import ChildSchemas
from llm_integrations.core.evolution.proof.constraints import Constraints
from llm_integrations.core.evolution.proof.containment_oracle import ContainmentOracle
from llm_integrations.core.evolution.proof.tagged_unions import TaggedUnions

__all__ = ["Reasoner", "Rule", "rules_about"]


class Reasoner(Protocol):
    """Answers the questions that the proof of one keyword leads to; no answer is ever a guess."""

    @property
    def workspace(self) -> Workspace: ...
    @property
    def oracle(self) -> ContainmentOracle: ...
    @property
    def children(self) -> ChildSchemas: ...
    @property
    def unions(self) -> TaggedUnions: ...

    def constraints(self, premises: Sequence[Node]) -> Constraints:
        """What all premises together demand of an instance."""
        ...

    def proves(self, premises: Sequence[Node], goal: Node) -> bool:
        """Whether every instance of all premises certainly satisfies the goal."""
        ...

    def proves_child(self, premises: Sequence[Node], goal: Node) -> bool:
        """The same question about a child of the instance: a property or an item."""
        ...

    def unsatisfiable(self, premises: Sequence[Node]) -> bool:
        """Whether it is certain that no instance satisfies all premises."""
        ...

    def finite_values(self, constraints: Constraints) -> list[Any] | None:
        """All values that the constraints leave possible; None when they are not few."""
        ...


Rule = Callable[[Reasoner, Constraints, Node], bool]
"""Whether one keyword of a goal follows from the constraints on the instance."""


def rules_about(kinds: Iterable[str], rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rules of keywords that hold for all values of other kinds."""
    concerned = frozenset(kinds)

    def for_kinds(rule: Rule) -> Rule:
        return lambda reasoner, constraints, goal: (
            not constraints.kinds & concerned or rule(reasoner, constraints, goal)
        )

    return {keyword: for_kinds(rule) for keyword, rule in rules.items()}
