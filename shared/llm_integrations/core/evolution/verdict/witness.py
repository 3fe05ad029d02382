"""Looking for an instance that one schema accepts and the other refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llm_integrations.core.errors import ValidationLimitExceeded
from llm_integrations.core.evolution.differences.finding import WitnessTarget
from llm_integrations.core.evolution.differences.instance_path import demanding
from llm_integrations.core.evolution.model.answer import Answer
from llm_integrations.core.evolution.model.kinds import Direction
from llm_integrations.core.evolution.model.limits import Undecidable
from llm_integrations.core.evolution.sampling.choices import Chooser, Minimal, Randomly
from llm_integrations.core.evolution.sampling.sampler import Sampler
from llm_integrations.core.evolution.verdict.comparison import Comparison
from llm_integrations.core.validation.compiled_schema import CompiledSchema
from llm_integrations.core.validation.explain.places import place_of

__all__ = ["Witness", "WitnessSearch"]


@dataclass(frozen=True, slots=True)
class Witness:
    """An instance, and why the reader refuses it."""

    value: Any
    refused: str


class WitnessSearch:
    """Finds witnesses for one comparison; each is checked by validators of both schemas as written.

    Args:
        comparison: the pair.
        old: judges by the old schema.
        new: judges by the new one.
    """

    def __init__(self, comparison: Comparison, old: CompiledSchema, new: CompiledSchema) -> None:
        self.comparison = comparison
        self._judges = {"backward": (old, new), "forward": (new, old)}

    @cached_property
    def sampler(self) -> Sampler:
        """Makes instances; with its first use the search begins, and all proofs are done."""
        self.comparison.workspace.budget.start_phase()
        return Sampler(self.comparison.prover)

    def find(self, direction: Direction, target: WitnessTarget) -> Witness | None:
        """A witness that meets a target; None when none was found within the limits."""
        for chooser in (Minimal(), Randomly(1)):
            for value in self._attempts(direction, target, chooser):
                witness = self.checked(direction, value)
                if witness is not None:
                    return witness
        return None

    def find_any(self, direction: Direction) -> Witness | None:
        """A witness whose cause is not known."""
        comparison = self.comparison
        refused = comparison.workspace.negation(comparison.goal(direction))
        return self.find(direction, WitnessTarget(refused))

    def _attempts(
        self, direction: Direction, target: WitnessTarget, chooser: Chooser
    ) -> Iterator[Any]:
        comparison = self.comparison
        sampler = self.sampler
        try:
            comparison.workspace.budget.spend()
            pick = sampler.counted_pick(chooser)
            demand = demanding(target.node, target.path, direction, pick)
            premises = [*comparison.premises(direction), comparison.workspace.add(demand)]
            yield from sampler.attempts(premises, chooser, comparison.limits.samples // 2)
        except Undecidable:
            return

    def checked(self, direction: Direction, value: Any) -> Witness | None:
        """The value as a witness, if it is one."""
        writer, reader = self._judges[direction]
        try:
            if not writer.accepts(value) or reader.accepts(value):
                return None
            if not self._declared(direction, value):
                return None
            return Witness(value, _reason(reader, value))
        except (ValueError, ValidationLimitExceeded, Undecidable):
            return None

    def _declared(self, direction: Direction, value: Any) -> bool:
        """Whether the policy lets the instance count."""
        extra = self.comparison.premises(direction)[1:]
        return all(self.comparison.oracle.is_valid(node, value) is Answer.YES for node in extra)


def _reason(reader: CompiledSchema, value: Any) -> str:
    errors = reader.errors(value, 1).errors
    if not errors:
        return ""
    path = "".join(f"/{part}" for part in place_of(errors[0], value)[0])
    return f"{path or '(root)'}: {errors[0].message}"[:300]
